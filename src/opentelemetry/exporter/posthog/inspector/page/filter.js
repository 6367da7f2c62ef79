// Which events are shown. The list of matches grows with what arrives; a new filter looks at all of them.

import { state } from "./state.js";

let wanted = { text: [], person: "", organization: "", event: "", findings: false };
let matches = []; // in order of arrival
let looked = 0; // events looked at, counted over all that ever came

/** `person:x org:y words` — words may stand anywhere in an event. */
export function parse(search, event, organization, findings) {
  wanted = { text: [], person: "", organization, event, findings };
  for (const word of search.match(/\S*"[^"]*"|\S+/g) ?? []) {
    const [, key, value] = /^(?:(person|org):)?"?([^"]*)"?$/.exec(word) ?? [null, null, word];
    if (key === "person") wanted.person = value;
    else if (key === "org") wanted.organization = value;
    else if (value) wanted.text.push(value.toLowerCase());
  }
  start();
}

export function start() {
  matches = state.events.filter(fits);
  looked = state.dropped + state.events.length;
}

/** Look at what arrived since; how many of it match. */
export function grow() {
  const from = Math.max(0, looked - state.dropped);
  const before = matches.length;
  for (let n = from; n < state.events.length; n++) if (fits(state.events[n])) matches.push(state.events[n]);
  looked = state.dropped + state.events.length;
  const added = matches.length - before;
  if (matches.length > state.events.length) matches = state.events.filter(fits); // the oldest fell out
  return added;
}

function fits(event) {
  return (
    (!wanted.event || event.event === wanted.event) &&
    (!wanted.organization || Object.values(event.groups).includes(wanted.organization) ||
      (event.update && event.properties.$group_key === wanted.organization)) &&
    (!wanted.person || event.distinct_id === wanted.person) &&
    (!wanted.findings || state.said.has(event.uuid)) &&
    wanted.text.every((word) => event.text.includes(word))
  );
}

export const active = () =>
  Boolean(wanted.text.length || wanted.person || wanted.organization || wanted.event || wanted.findings);
export const count = () => matches.length;
export const newest = (place) => matches[matches.length - 1 - place];
