// Makes the search field a combobox: Ctrl-K or Cmd-K comes here, arrows choose, Enter goes there. htmx fetches what it
// offers (/find/). Without this the field is a plain search, and Enter without a choice always is one.
"use strict";

const field = document.getElementById("top-search");
const list = document.getElementById("found");
const told = document.getElementById("found-told");

const options = () => [...list.querySelectorAll("[role=option]")];
const chosen = () => document.getElementById(field.getAttribute("aria-activedescendant"));

function choose(option) {
  chosen()?.removeAttribute("aria-selected");
  if (!option) {
    field.removeAttribute("aria-activedescendant");
    return;
  }
  option.setAttribute("aria-selected", "true");
  option.scrollIntoView({ block: "nearest" });
  field.setAttribute("aria-activedescendant", option.id);
}

function show(open) {
  const shown = open && options().length > 0;
  list.hidden = !shown;
  field.setAttribute("aria-expanded", String(shown));
  if (!shown) choose(null);
}

function move(step) {
  const all = options();
  const place = all.indexOf(chosen());
  // One place between the last and the first: the field itself.
  const next = place < 0 ? (step > 0 ? 0 : all.length - 1) : place + step;
  choose(all[next]);
}

const ask = () => htmx.trigger(field, "find");

function enhance() {
  const isMac = /Mac|iPhone|iPad/.test(navigator.platform);
  for (const [name, value] of Object.entries({
    role: "combobox",
    "aria-autocomplete": "list",
    "aria-controls": list.id,
    "aria-expanded": "false",
    "aria-keyshortcuts": "Control+K Meta+K",
    placeholder: field.dataset.placeholder,
  })) field.setAttribute(name, value);
  const hint = document.getElementById("found-keys");
  hint.textContent = isMac ? "⌘ K" : "Ctrl K";
  hint.hidden = false;
}

function onKey(event) {
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    if (list.hidden) ask();
    else move(event.key === "ArrowDown" ? 1 : -1);
  } else if (event.key === "Enter" && chosen()) {
    event.preventDefault();
    chosen().click();
  } else if (event.key === "Escape" && !list.hidden) {
    event.preventDefault();
    show(false);
  } else if (event.key === "Tab") {
    show(false);
  }
}

if (field && list) {
  enhance();
  field.addEventListener("keydown", onKey);
  field.addEventListener("click", () => list.hidden && ask());
  list.addEventListener("mousemove", (event) => choose(event.target.closest("[role=option]")));
  // A press must not take the focus away from the field before the click arrives.
  list.addEventListener("mousedown", (event) => event.preventDefault());
  list.addEventListener("htmx:afterSwap", () => {
    field.removeAttribute("aria-activedescendant");
    show(document.activeElement === field);
    const count = options().length;
    told.textContent = `${count} ${count === 1 ? "choice" : "choices"}. Arrow down to choose.`;
  });
  field.addEventListener("blur", () => show(false));
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
    event.preventDefault();
    field.focus();
    field.select();
    ask();
  });
}
