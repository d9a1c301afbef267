"use strict";
// Keyboard shortcuts, and updates of an open page. Without this script every page can be read and every form sent.
const byId = (id) => document.getElementById(id);
const header = byId("student");
const table = byId("everybody");

// --- keys ---

function go(link) {
  if (link) link.click();
}

function open(id, field) {
  const details = byId(id);
  if (!details) return;
  details.open = true;
  details.scrollIntoView({ block: "nearest" });
  (field ? byId(field) : details.querySelector("input:not([type=hidden]), textarea, button"))?.focus();
}

function nextRow(step) {
  const links = Array.from(table.tBodies[0].rows).filter((row) => !row.hidden).map((row) => row.querySelector("a"));
  const at = links.indexOf(document.activeElement);
  links[Math.min(links.length - 1, Math.max(0, at < 0 ? (step > 0 ? 0 : links.length - 1) : at + step))]?.focus();
}

const KEYS = {
  j: () => (table ? nextRow(1) : go(document.querySelector("a[rel=next]"))),
  k: () => (table ? nextRow(-1) : go(document.querySelector("a[rel=prev]"))),
  "/": () => (byId("search") ?? byId("find")).focus(),
  "?": () => byId("keys").showModal(),
  q: () => location.assign("/queue"),
  u: () => location.assign("/"),
  c: () => open("do-comment", "comment-text"),
  p: () => open("do-points"),
  l: () => open("do-looked"),
};

document.addEventListener("keydown", (event) => {
  const field = event.target.closest("input:not([type=radio]), textarea, select");
  if (event.key === "Escape" && field) field.blur();
  if (field || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const does = KEYS[event.key];
  if (!does) return;
  event.preventDefault();
  does();
});

document.querySelectorAll("[data-shows]").forEach((button) => {
  button.addEventListener("click", () => byId(button.dataset.shows).showModal());
});

// --- the chosen line ---

function choose() {
  const number = /^#L(\d+)$/.exec(location.hash)?.[1];
  document.querySelectorAll(".line.chosen").forEach((line) => line.classList.remove("chosen"));
  if (!number) return;
  byId(`L${number}`)?.classList.add("chosen");
  const field = byId("comment-line");
  if (field) field.value = number;
}

addEventListener("hashchange", choose);
const typed = byId("comment-line")?.value;
choose();
if (typed) byId("comment-line").value = typed;
if (byId("error")) byId("error").scrollIntoView({ block: "nearest" });

// --- updates ---

// Only a visible page listens: a browser opens at most six connections to one host, for all its tabs together.
function listen(address, heard) {
  let source = null;
  let failed = 0;
  const stop = () => {
    source?.close();
    source = null;
  };
  const start = () => {
    if (source || document.hidden) return;
    source = new EventSource(address());
    source.onopen = () => {
      failed = 0;
      byId("gone").hidden = true;
    };
    source.onerror = () => {
      failed += 1;
      byId("gone").hidden = failed < 2 && source?.readyState !== EventSource.CLOSED;
    };
    source.onmessage = (event) => heard(JSON.parse(event.data), stop);
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : start()));
  addEventListener("pagehide", stop);
  addEventListener("pageshow", start);
}

function parsed(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}

function replaceRow(id, html) {
  const row = byId(id);
  const fresh = parsed(html).querySelector("tr");
  const had = row.contains(document.activeElement);
  row.dataset.status = fresh.dataset.status;
  row.replaceChildren(...fresh.childNodes);
  if (had) row.querySelector("a").focus();
}

function replaceSummary(html) {
  const summary = byId("summary");
  const focused = summary.contains(document.activeElement) ? document.activeElement.id : "";
  const closed = summary.querySelector("details:not([open])");
  summary.replaceChildren(parsed(html));
  if (closed) summary.querySelector("details")?.removeAttribute("open");
  if (focused) byId(focused)?.focus();
}

if (table) {
  let { version } = byId("summary").dataset;
  listen(() => `/events?since=${version}`, (data, stop) => {
    if (data.reload) {
      stop();
      location.reload();
      return;
    }
    version = data.version;
    for (const [id, html] of Object.entries(data.rows)) replaceRow(id, html);
    replaceSummary(data.summary);
  });
}

// A page isn't reloaded while somebody is writing on it.
function isWriting() {
  return Array.from(document.querySelectorAll("main input, main textarea")).some(
    (field) => field.type !== "hidden" && field.id !== "find" && (field.value !== field.defaultValue || field.checked !== field.defaultChecked),
  );
}

// A form that this page has sent changes the class, too; the answer to it loads the page anew.
let leaves = false;
addEventListener("submit", (event) => {
  leaves ||= event.target.method !== "dialog";
});

if (header) {
  const asked = new URLSearchParams({ student: header.dataset.student, seen: header.dataset.seen });
  listen(() => `/events?${asked}`, (data, stop) => {
    if (data.state !== undefined) byId("state").textContent = data.state;
    if (!data.changed || leaves) return;
    stop();
    if (isWriting() || byId("error")) byId("changed").hidden = false;
    else location.reload();
  });
}
