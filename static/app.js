// What the pages gain with JavaScript besides htmx. Without it every form still works.

// Relative times grow older. They count from the server's clock, and say what src/http/display.rs says.
const serverTime = Date.parse(document.querySelector('meta[name="server-time"]')?.content ?? "");
const offset = Number.isNaN(serverTime) ? 0 : serverTime - Date.now();

function relative(at) {
  const distance = Math.trunc((Date.now() + offset - at) / 1000);
  const size = Math.abs(distance);
  if (size === 0) return "now";
  const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const [length, unit] = units.find(([seconds]) => size >= seconds);
  const text = `${Math.floor(size / length)} ${unit}`;
  return distance < 0 ? `in ${text}` : `${text} ago`;
}

function refreshTimes() {
  for (const time of document.querySelectorAll("time[data-relative]")) {
    const text = relative(Date.parse(time.dateTime));
    if (time.textContent !== text) time.textContent = text;
  }
}
setInterval(refreshTimes, 1000);

// Copy buttons show where copying is possible.
const showCopyButtons = () => {
  if (!navigator.clipboard) return;
  for (const button of document.querySelectorAll("button[data-copy][hidden]")) button.hidden = false;
};
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  await navigator.clipboard.writeText(source.textContent);
  tell("Copied.", "tone-plain");
  setTimeout(hush, 2000, toast().firstChild);
});

// "/" goes to the search.
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  const search = document.getElementById("search");
  if (!search) return;
  event.preventDefault();
  search.focus();
  search.select();
});

// What production's switches ask, in the page's own dialog.
document.addEventListener("htmx:confirm", (event) => {
  const { question, issueRequest, elt } = event.detail;
  const dialog = document.getElementById("confirm");
  if (!question || !dialog?.showModal) return;
  event.preventDefault();
  document.getElementById("confirm-question").textContent = question;
  document.getElementById("confirm-yes").textContent = elt.dataset.confirmYes ?? "Go on";
  dialog.returnValue = "";
  dialog.addEventListener("close", () => dialog.returnValue === "yes" && issueRequest(true), { once: true });
  dialog.showModal();
});

// A typed confirmation is compared at once; the server compares it again.
document.addEventListener("input", (event) => {
  const expected = event.target.dataset?.expect;
  if (expected === undefined) return;
  const differs = event.target.value.trim() !== expected;
  event.target.setCustomValidity(differs ? `Type ${expected} to confirm.` : "");
});

// Notices. A request that polls tells that it failed once, and takes that back when it succeeds again.
let connectionLost = false;

const toast = () => document.getElementById("toast");

function tell(text, tone) {
  const line = document.createElement("p");
  const button = document.createElement("button");
  line.className = `notice ${tone}`;
  button.className = "button small";
  button.type = "button";
  button.textContent = "Dismiss";
  button.addEventListener("click", () => hush(line));
  line.append(text, button);
  toast().replaceChildren(line);
}

const hush = (line) => line?.remove();

const polls = (event) => event.detail.requestConfig?.verb === "get";

document.addEventListener("htmx:afterRequest", (event) => {
  if (!event.detail.successful || !connectionLost) return;
  connectionLost = false;
  hush(toast().firstChild);
});

function lost() {
  if (!connectionLost) tell("The server does not answer. What is shown may be out of date; it is tried again.", "tone-warning");
  connectionLost = true;
}

document.addEventListener("htmx:sendError", (event) => {
  if (polls(event)) lost();
  else tell("The server does not answer: whether the change was made is not known. Reload the page.", "tone-harm");
});

document.addEventListener("htmx:responseError", (event) => {
  const { xhr } = event.detail;
  if (xhr.status === 401) return location.reload();
  if (polls(event)) return lost();
  let said = `The server answered ${xhr.status}`;
  try {
    said = JSON.parse(xhr.responseText).detail || said;
  } catch {
    // No problem document: the status is all there is to say.
  }
  said = said.replace(/^./u, (letter) => letter.toUpperCase()).replace(/([^.!?])$/u, "$1.");
  const request = xhr.getResponseHeader("X-Request-Id");
  tell(`Nothing was changed. ${said}${request ? ` Request id ${request}.` : ""}`, "tone-harm");
});

// A head that is swapped while somebody types in one of its forms keeps the form open and what was typed.
let kept = null;

document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const form = event.detail.target.querySelector("[popover]:popover-open");
  if (!form) return;
  const typed = [...form.querySelectorAll("input:not([type=hidden])")].map(({ id, value }) => [id, value]);
  kept = { form: form.id, typed, focus: document.activeElement?.id };
});

document.addEventListener("htmx:oobAfterSwap", () => {
  if (!kept) return;
  const { form, typed, focus } = kept;
  kept = null;
  document.getElementById(form)?.showPopover();
  for (const [id, value] of typed) {
    const input = document.getElementById(id);
    if (input) input.value = value;
  }
  document.getElementById(focus)?.focus();
});

document.addEventListener("htmx:afterSettle", () => {
  showCopyButtons();
  refreshTimes();
});

showCopyButtons();
refreshTimes();
document.querySelector("[popover][data-open]")?.showPopover?.();
