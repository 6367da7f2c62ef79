// Faults on demand: what the next requests of a service meet.

import { byId, el, toast } from "./dom.js";

const KINDS = [
  ["503", "PostHog is down for a moment", { status: 503 }],
  ["413", "The request is too large", { status: 413 }],
  ["429, Retry-After 5 s", "Too many requests", { status: 429, retry_after: "5" }],
  ["Quota used up", "Events are taken and not stored", { quota: "events" }],
  ["Slow", "Three seconds before each answer", { stall: 3 }],
  ["No answer", "Half a minute, longer than the deadline", { stall: 30 }],
  ["Reset before", "The connection breaks, nothing is stored", { reset: "before" }],
  ["Reset after", "Stored, but the answer is lost", { reset: "after" }],
  ["Unknown key", "401: no project has this key", { unknown_key: true }],
  ["No v1", "The host serves the legacy protocol only", { v1_off: true }],
];

export function init() {
  const dialog = byId("faults");
  byId("faults-open").addEventListener("click", () => { refresh(); dialog.showModal(); });
  byId("faults-kinds").append(...KINDS.map(([title, text, fault]) =>
    el("button", { type: "button", onclick: () => add(title, fault) }, el("b", {}, title), el("small", {}, text))));
  byId("faults-heal").addEventListener("click", async () => {
    await fetch("/faults", { method: "DELETE" });
    toast("All is well again");
    refresh();
  });
}

async function add(title, fault) {
  const times = Math.max(1, Number.parseInt(byId("faults-times").value, 10) || 1);
  const answer = await fetch("/faults", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ ...fault, times }) });
  toast(answer.ok ? `${title}: waits for ${times} request${times === 1 ? "" : "s"}` : "The inspector did not take it");
  refresh();
}

export async function refresh() {
  const answer = await fetch("/faults");
  if (!answer.ok) return;
  const waiting = await answer.json();
  const count = byId("faults-count");
  count.hidden = !waiting.length;
  count.textContent = waiting.length;
  byId("faults-waiting").replaceChildren(...(waiting.length ? waiting.map((fault) => el("li", { class: "mono" }, JSON.stringify(fault))) : [el("li", {}, "None: PostHog is well.")]));
}
