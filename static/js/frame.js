// The pages work without this. It tells the server the browser's time zone, closes an open menu and keeps hidden pages quiet.
"use strict";

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `crm_zone=${zone}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
}

function closeMenus(except) {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (menu !== except) menu.open = false;
  }
}

document.addEventListener("click", (event) => closeMenus(event.target.closest("details.menu")));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  document.querySelector("details.menu[open] > summary")?.focus();
  closeMenus(null);
});

// What goes out next is asked for only while somebody looks.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.elt.id === "next-up" && document.hidden) event.preventDefault();
});
