// Sentences that more than one view says.

import { el } from "./dom.js";
import { state } from "./state.js";

export const LOOKS = {
  email: "an e-mail address", phone: "a phone number", password: "a password", secret: "a secret", token: "a token",
  ssn: "an identity number", iban: "a bank account", card: "a card number", customer_id: "a customer id",
  created_by: "a person", name: "a personal name", address: "a postal address", birth: "a date of birth", ip: "an IP address",
};

/** A finding, refusal or warning as a note. */
export function remark(said) {
  const kind = said.kind === "refusal" ? "Refused" : said.kind === "warning" ? "Ingestion warning" : "Finding";
  const text = said.sentence ?? (said.kind === "refusal" ? `PostHog answers ${said.status}.` : "PostHog lists this warning in the project.");
  return el("div", { class: `notice ${said.kind === "refusal" ? "bad" : ""}` },
    el("b", {}, `${kind}: ${said.name}. `), text, said.detail ? ` (${said.detail})` : null,
    said.rule ? el("div", { class: "rule" }, `Rule ${said.rule} of what PostHog accepts and stores`) : null);
}

/** The signal that something came from, and each step of its decision. */
export function signalFacts(signal) {
  return el("dl", { class: "facts" },
    el("dt", {}, signal.signal === "log" ? "Log record" : "Span"), el("dd", {}, signal.name, signal.signal_kind ? ` (${signal.signal_kind})` : ""),
    signal.service ? [el("dt", {}, "Service"), el("dd", {}, signal.service)] : null,
    signal.scope ? [el("dt", {}, "Scope"), el("dd", {}, signal.scope)] : null,
    el("dt", {}, "Its time"), el("dd", { class: "mono" }, signal.time),
    signal.trace_id ? [el("dt", {}, "Trace"), el("dd", { class: "mono" }, `${signal.trace_id} / ${signal.span_id}`)] : null);
}

export function stepsTable(steps) {
  return el("table", {},
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Asked"), el("th", { scope: "col" }, "Answer"))),
    el("tbody", {}, steps.map(([asked, answer, reason]) =>
      el("tr", {}, el("td", { class: "mono" }, asked), el("td", {}, answer, reason ? [" ", el("span", { class: "badge" }, reason)] : null)))));
}

/** How to point a service here. */
export function setUp() {
  const { host, token } = state.hello ?? { host: location.origin, token: "" };
  const lines = [
    `export OTEL_EXPORTER_POSTHOG_HOST='${host}'`,
    "export OTEL_EXPORTER_POSTHOG_API_KEY='phc_local'",
    `export OTEL_EXPORTER_POSTHOG_INSPECTOR='${host}/?token=${token}'`,
  ].join("\n");
  return { lines, host };
}

export const statusClass = (status) => (status >= 200 && status < 300 ? "ok" : status >= 500 || status === 0 ? "bad" : "warn");
