// What the page knows: records in, maps out. No element is touched here.

const KEEP_EVENTS = 20000;
const KEEP_REQUESTS = 5000;

export const state = { hello: null, vocabulary: { reasons: {}, verdicts: {} } };

export function reset() {
  Object.assign(state, {
    events: [], // in order of arrival
    requests: [],
    placeOfEvent: new Map(), // id → event
    byUuid: new Map(), // uuid → event
    names: new Map(), // event name → how many
    groups: new Map(), // "type key" → group
    origins: new Map(), // uuid → signal
    said: new Map(), // uuid → findings, refusals, warnings
    saidOfRequest: new Map(),
    exporters: new Map(),
    samples: new Map(), // id → sample
    pulses: new Map(), // second → counts
    updates: 0,
    dropped: 0, // events that fell out at the old end, ever
  });
}
reset();

/** Take records in; the topics that changed. */
export function apply(records) {
  const changed = new Set();
  for (const record of records) {
    const take = takers[record.kind];
    if (take) {
      take(record);
      changed.add(record.kind);
    }
  }
  return changed;
}

const takers = {
  event(record) {
    const known = state.placeOfEvent.get(record.id);
    if (known) {
      Object.assign(known, record);
      return;
    }
    record.text = searchable(record);
    state.events.push(record);
    state.placeOfEvent.set(record.id, record);
    state.byUuid.set(record.uuid, record);
    if (record.update) {
      state.updates += 1;
      const type = record.properties.$group_type;
      const group = groupOf(type, keyOfUpdate(record));
      if (group) group.updates += 1;
    } else {
      state.names.set(record.event, (state.names.get(record.event) ?? 0) + 1);
    }
    for (const [type, key] of Object.entries(record.groups)) {
      const group = groupOf(type, key);
      if (!record.update) group.events += 1;
      group.last = record.t;
    }
    if (state.events.length > KEEP_EVENTS * 1.1) forgetOldest();
  },
  request(record) {
    const last = state.requests[state.requests.length - 1];
    if (last && last.id === record.id) state.requests[state.requests.length - 1] = record;
    else state.requests.push(record);
    if (state.requests.length > KEEP_REQUESTS * 1.1) state.requests.splice(0, state.requests.length - KEEP_REQUESTS);
  },
  finding: say, refusal: say, warning: say,
  group(record) {
    const group = groupOf(record.type, record.key);
    group.identified = true;
    group.last = Math.max(group.last, record.t);
  },
  change(record) {
    const group = groupOf(record.type, record.key);
    group.properties.set(record.name, record.value);
    keep(group.changes, record);
    group.version += 1;
  },
  decision(record) {
    const group = groupOf(record.type, record.key);
    group.decisions.set(record.id, record);
    group.version += 1;
  },
  origin(record) { state.origins.set(record.uuid, record); },
  exporter(record) { state.exporters.set(record.id, record); },
  sample(record) { state.samples.set(record.id, record); },
  pulse(record) {
    state.pulses.set(record.second, record);
    if (state.pulses.size > 1000) state.pulses.delete(state.pulses.keys().next().value);
  },
};

function say(record) {
  for (const [map, key] of [[state.said, record.uuid], [state.saidOfRequest, record.request]]) {
    if (!key) continue;
    const known = map.get(key);
    if (known) known.push(record);
    else map.set(key, [record]);
  }
}

function keep(list, record) {
  list.push(record);
  if (list.length > 2000) list.splice(0, 200);
}

function keyOfUpdate(record) {
  return record.properties.$group_key;
}

export function groupOf(type, key) {
  if (type === undefined || key === undefined) return null;
  const id = `${type} ${key}`;
  let group = state.groups.get(id);
  if (!group) {
    group = { id, type, key, identified: false, events: 0, updates: 0, last: 0, version: 0,
      properties: new Map(), changes: [], decisions: new Map() };
    state.groups.set(id, group);
  }
  return group;
}

function forgetOldest() {
  const gone = state.events.splice(0, state.events.length - KEEP_EVENTS);
  state.dropped += gone.length;
  for (const event of gone) {
    state.placeOfEvent.delete(event.id);
    if (state.byUuid.get(event.uuid) === event) state.byUuid.delete(event.uuid);
    state.origins.delete(event.uuid);
    state.said.delete(event.uuid);
  }
}

function searchable(event) {
  return `${event.event}\n${event.distinct_id}\n${Object.values(event.groups).join("\n")}\n${event.uuid}\n${JSON.stringify(event.properties)}`.toLowerCase();
}

/** Counts over all exporters: what they received and what became of it. */
export function totals() {
  const sum = { received: 0, made: 0, delivered: 0, stored: 0, saved: 0, untold: 0, reasons: new Map() };
  for (const { stats, untold } of state.exporters.values()) {
    for (const name of ["received", "made", "delivered", "stored"]) sum[name] += stats[name] ?? 0;
    sum.saved += stats.notes?.identifies_saved ?? 0;
    sum.untold += untold;
    for (const part of ["not_selected", "dropped", "refused"]) {
      for (const [reason, count] of Object.entries(stats[part] ?? {})) {
        sum.reasons.set(reason, (sum.reasons.get(reason) ?? 0) + count);
      }
    }
  }
  return sum;
}
