// The list asks for news by itself. It keeps still while somebody reads an open message, marks text, or looks elsewhere.
"use strict";

document.addEventListener("htmx:beforeRequest", (event) => {
  const rows = event.detail.elt;
  if (rows.id !== "rows") return;
  const reading = rows.querySelector("details[open]") || !getSelection().isCollapsed;
  if (document.hidden || reading) event.preventDefault();
});
