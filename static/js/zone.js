// The page works without this. It offers the time zone of this device.
"use strict";

const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
for (const button of document.querySelectorAll("[data-use-zone]")) {
  const field = document.getElementById(button.dataset.useZone);
  if (!here || !field || field.value === here) continue;
  button.textContent = `Use ${here}, that of this device`;
  button.hidden = false;
  button.addEventListener("click", () => {
    field.value = here;
    button.hidden = true;
    field.focus();
  });
}
