-- The rule of ledger.py inside Redis or Valkey, one shard a call, so that no process acts on what another has
-- changed meanwhile. Kept word for word beside the Python rule: tests run both on the same calls and compare
-- every field. Times are microseconds of this server's clock (exact in a double until the year 2255).
--
-- KEYS  1 the shard itself (hash: birth, marked, floor, sent, saved)   2 groups with something to send (sorted by when)
--       3 groups with values to let go (sorted by when)   4... one hash a group of the call
-- ARGV  1 everything said, as one flat JSON array: operation, then what `call` below reads, then the groups of the
--       call. One text each way, since each element of a command or a reply costs a process some ten times what it
--       costs as a part of a text. Nothing exceeds what a double can hold.
-- A group's hash: g = type NUL key; t q r b = token, quiet, retry, bucket; of each property <p>:
--       w:<p> stamp   v:<p> value   h:<p> have, settled, refused   x:<p> history (for people)

local said = cjson.decode(ARGV[1])
local cursor = 0
local function take()
  cursor = cursor + 1
  return said[cursor]
end

local operation = take()
local call = {
  latest = take(), -- a call that reaches us later was given up by its sender: it is granted nothing
  birth = take(),
  contradicted = take(),
  window = take(),
  life = take(),
  interval = take(),
  prefix = take(), -- of this shard's group keys, for those that only the index names
  sent = take(), -- for people: updates that arrived, and observations that needed none
  saved = take(),
}
local lease = call.window + call.life
local retention = 2 * lease

local BURST, FLOOR_SLACK, FLAP_WINDOW, KEPT_SECONDS = 5, 60000000, 600000000, 5184000

local clock = redis.call("TIME")
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local may_grant = now <= call.latest

local texts = {} -- of numbers: a batch is settled at one moment
local function digits(number)
  local text = texts[number]
  if not text then
    text = string.format("%.0f", number)
    texts[number] = text
  end
  return text
end

-- Hexadecimal texts by their value: Lua compares strings by the server's locale, in which "aa" may be one letter.
local function compare(one, other)
  if one == other then
    return 0
  end
  for i = 1, math.max(#one, #other), 12 do
    local a = tonumber(string.sub(one, i, i + 11), 16) or -1
    local b = tonumber(string.sub(other, i, i + 11), 16) or -1
    if a ~= b then
      return a < b and -1 or 1
    end
  end
  return 0
end

local function larger(one, other)
  return compare(one, other) < 0 and other or one
end

local function digest_of(stamp)
  return string.sub(stamp, 33)
end

local function times_of(stamp)
  return string.sub(stamp, 1, 32)
end

-- floor_at: microseconds to nanoseconds in hexadecimal, in two halves, since a double can't hold the whole
local function floor_at(moment)
  moment = math.max(moment, 0)
  local high, low = math.floor(moment / 2 ^ 32), moment % 2 ^ 32
  low = low * 1000
  high = high * 1000 + math.floor(low / 2 ^ 32)
  local text = string.format("%08x%08x", high, low % 2 ^ 32)
  return text .. text
end

local function in_pieces(command, key, arguments)
  for i = 1, #arguments, 1000 do -- Lua's stack holds some thousands
    redis.call(command, key, unpack(arguments, i, math.min(i + 999, #arguments)))
  end
end

-- the shard's own memory ------------------------------------------------------------------------------

local function read_store()
  local found = redis.call("HMGET", KEYS[1], "birth", "marked", "floor")
  if not found[1] then
    redis.call("HSET", KEYS[1], "birth", digits(now), "marked", "0", "floor", "")
    return { birth = now, marked = 0, floor = "" }
  end
  return { birth = tonumber(found[1]), marked = tonumber(found[2]), floor = found[3] }
end

local function meet(store)
  if call.contradicted and call.birth == store.birth then
    store.floor = larger(floor_at(now - FLOOR_SLACK), store.floor)
    store.birth, store.marked = now, now
  elseif call.birth ~= 0 and call.birth ~= store.birth and store.marked == 0 then
    store.floor = larger(floor_at(store.birth - FLOOR_SLACK), store.floor)
    store.marked = now
  else
    return store
  end
  redis.call(
    "HSET", KEYS[1], "birth", digits(store.birth), "marked", digits(store.marked), "floor", store.floor
  )
  return store
end

local store = meet(read_store())
if call.sent > 0 or call.saved > 0 then
  redis.call("HINCRBY", KEYS[1], "sent", digits(call.sent))
  redis.call("HINCRBY", KEYS[1], "saved", digits(call.saved))
end

-- groups ----------------------------------------------------------------------------------------------

local function next_token(group)
  return math.max(group.token + 1, now)
end

local function read_group(key)
  local raw = redis.call("HGETALL", key)
  if #raw == 0 then
    return nil
  end
  local fields = {}
  local group = { fields = fields, names = {}, properties = {} }
  for i = 1, #raw, 2 do
    fields[raw[i]] = raw[i + 1]
    if string.sub(raw[i], 1, 2) == "w:" then
      group.names[#group.names + 1] = string.sub(raw[i], 3)
    end
  end
  group.id = fields.g
  group.token, group.quiet = tonumber(fields.t), tonumber(fields.q)
  group.retry, group.bucket = tonumber(fields.r), tonumber(fields.b)
  for _, name in ipairs(group.names) do
    local have, settled, refused = string.match(fields["h:" .. name], "^([^,]*),(%d+),(%d)$")
    group.properties[name] = {
      want = fields["w:" .. name],
      value = fields["v:" .. name],
      have = have,
      settled = tonumber(settled),
      refused = refused == "1",
      history = fields["x:" .. name],
    }
  end
  return group
end

local function is_dirty(known)
  return known.have ~= digest_of(known.want)
end

local function sendable(name, known)
  return is_dirty(known) and (known.value ~= nil or name == "")
end

local function faded(known)
  if known.value ~= nil and not is_dirty(known) and now >= known.settled + retention then
    known.value = nil
  end
end

local function due_at(group)
  for name, known in pairs(group.properties) do
    if sendable(name, known) then
      return math.max(group.quiet, group.retry, group.bucket - (BURST - 1) * call.interval)
    end
  end
  return nil
end

local function fades_at(group)
  local first = nil
  for _, known in pairs(group.properties) do
    if known.value ~= nil and not is_dirty(known) then
      local moment = known.settled + retention
      first = first and math.min(first, moment) or moment
    end
  end
  return first
end

local function write_group(key, group)
  local before, changed, gone = group.fields, {}, {}
  local function put(field, value)
    if before[field] == value then
      return
    elseif value == nil then
      gone[#gone + 1] = field
    else
      changed[#changed + 1] = field
      changed[#changed + 1] = value
    end
  end
  put("g", group.id)
  put("t", digits(group.token))
  put("q", digits(group.quiet))
  put("r", digits(group.retry))
  put("b", digits(group.bucket))
  for name, known in pairs(group.properties) do
    faded(known)
    put("w:" .. name, known.want)
    put("v:" .. name, known.value)
    put("h:" .. name, known.have .. "," .. digits(known.settled) .. (known.refused and ",1" or ",0"))
    put("x:" .. name, known.history)
  end
  in_pieces("HSET", key, changed)
  in_pieces("HDEL", key, gone)
  redis.call("EXPIRE", key, KEPT_SECONDS)
  local member = string.sub(key, #call.prefix + 1)
  local due, fades = due_at(group), fades_at(group)
  if due then
    redis.call("ZADD", KEYS[2], digits(due), member)
  else
    redis.call("ZREM", KEYS[2], member)
  end
  if fades then
    redis.call("ZADD", KEYS[3], digits(fades), member)
  else
    redis.call("ZREM", KEYS[3], member)
  end
end

local function doubt(group)
  if group.token <= 0 or group.token >= store.marked then
    return
  end
  for _, known in pairs(group.properties) do
    known.have, known.refused = "?", false
  end
  group.token = next_token(group)
end

-- observing -------------------------------------------------------------------------------------------

-- history: service, the one before it, changes within the window, when that began, the newest ignored times
local function parts_of(history)
  local parts = {}
  if history then
    for part in string.gmatch(history .. "\31", "([^\31]*)\31") do
      parts[#parts + 1] = part
    end
  end
  for i = 1, 5 do
    parts[i] = parts[i] or ((i == 3 or i == 4) and "0" or "")
  end
  return parts
end

local function history_of(parts)
  local text = table.concat(parts, "\31")
  if text == "\31\0310\0310\31" then
    return nil
  end
  return text
end

local function turned(history, service)
  local parts = parts_of(history)
  local fresh = now - tonumber(parts[4]) > FLAP_WINDOW
  parts[2], parts[1] = parts[1], service
  parts[3] = fresh and "1" or digits(tonumber(parts[3]) + 1)
  parts[4] = fresh and digits(now) or parts[4]
  return history_of(parts)
end

local function ignored(history, times)
  local parts = parts_of(history)
  parts[5] = larger(parts[5], times)
  return history_of(parts)
end

local function merge(known, name, entry, healing)
  local same = digest_of(entry.stamp) == digest_of(known.want)
  if compare(entry.stamp, known.want) > 0 then
    if not same then
      known.history = turned(known.history, entry.service)
    end
    known.want, known.value = entry.stamp, entry.value
  elseif not same then
    known.history = ignored(known.history, times_of(entry.stamp))
    return
  elseif name ~= "" or known.value == nil or compare(known.value, entry.value) < 0 then
    known.value = entry.value
  end
  if same and known.have ~= "" and known.have ~= "?" and known.settled + healing < now then
    known.have, known.refused = "", false
  end
end

local function standing(known, stamp)
  if not is_dirty(known) then
    return "s"
  end
  return compare(stamp, known.want) < 0 and "o" or "p"
end

local function observe(group, entries, healing)
  local answers = {}
  for _, entry in ipairs(entries) do
    local name = entry.name
    local known = group.properties[name]
    local forgotten = false
    if known then
      merge(known, name, entry, healing)
      faded(known)
    elseif name ~= "" and store.floor ~= "" and compare(times_of(entry.stamp), store.floor) <= 0 then
      forgotten = true
    else
      known = {
        want = entry.stamp,
        value = entry.value,
        have = "",
        settled = 0,
        refused = false,
        history = history_of({ entry.service, "", "0", "0", "" }),
      }
      group.properties[name] = known
      group.names[#group.names + 1] = name
    end
    answers[#answers + 1] = name
    answers[#answers + 1] = forgotten and "f" or standing(known, entry.stamp)
    answers[#answers + 1] = forgotten and "" or known.want
  end
  return answers
end

-- granting --------------------------------------------------------------------------------------------

local function grant(group, forced)
  local earliest = store.marked ~= 0 and store.birth + lease or 0
  if not may_grant or now < group.quiet or now < earliest then
    return {}
  end
  local full = math.max(group.bucket, now) + call.interval
  local empty = full > now + BURST * call.interval
  if (now < group.retry or empty) and not forced then
    return {}
  end
  local content, first = {}, true
  for _, name in ipairs(group.names) do
    local known = group.properties[name]
    if known.have ~= "" and known.have ~= "?" then
      first = false
    end
  end
  for _, name in ipairs(group.names) do
    local known = group.properties[name]
    if sendable(name, known) then
      content[#content + 1] = {
        name,
        known.want,
        known.value or cjson.null,
        known.have .. (known.refused and "!" or ""),
        parts_of(known.history),
      }
      known.have, known.refused = "?", false
    end
  end
  if #content == 0 then
    return {}
  end
  group.token = next_token(group)
  group.quiet = now + lease
  if not empty then
    group.bucket = full
  end
  return { digits(group.token), first, not empty, content }
end

-- settling --------------------------------------------------------------------------------------------

local function confess(group, ending)
  if ending.kind ~= "d" and ending.kind ~= "u" then
    return
  end
  for _, sent in ipairs(ending.sent) do
    local known = group.properties[sent.name]
    if known and digest_of(sent.stamp) ~= digest_of(known.want) then
      known.have, known.refused = "?", false
    end
  end
  group.token = group.token + 1
  group.quiet = math.max(group.quiet, now + call.life)
end

local function settle(group, ending)
  if ending.token ~= group.token then
    confess(group, ending)
    return {}
  end
  local over = ending.kind == "d" or ending.kind == "n"
  for _, sent in ipairs(ending.sent) do
    local known = group.properties[sent.name]
    if known and over then
      known.have, known.refused, known.settled = digest_of(sent.stamp), ending.kind == "n", now
    elseif known and ending.kind == "r" then
      known.have = string.gsub(sent.had, "!", "")
      known.refused = string.sub(sent.had, -1) == "!"
    end
  end
  group.token = group.token + 1
  group.quiet = now + math.max(ending.ghost, over and 0 or ending.pause)
  if not over then
    group.retry = now + ending.backoff
  end
  if ending.took and ending.kind == "r" then
    group.bucket = group.bucket - call.interval
  end
  if over and ending.ghost == 0 then
    return grant(group, false)
  end
  return {}
end

local function standings_of(group, ending)
  local answers = {}
  for _, sent in ipairs(ending.sent) do
    local known = group.properties[sent.name]
    if known then
      answers[#answers + 1] = sent.name
      answers[#answers + 1] = standing(known, known.want)
      answers[#answers + 1] = known.want
    end
  end
  return answers
end

-- the operations --------------------------------------------------------------------------------------

local reply = {}

local function met(key)
  local group = read_group(key)
  if group then
    doubt(group)
  end
  return group
end

if operation == "observe" then
  local claims, forced = take(), take()
  for i = 4, #KEYS do
    local id, healing, count = take(), take(), take()
    local entries = {}
    for n = 1, count do
      entries[n] = { name = take(), stamp = take(), value = take(), service = take() }
    end
    local group = met(KEYS[i])
      or { id = id, fields = {}, names = {}, properties = {}, token = 0, quiet = 0, retry = 0, bucket = 0 }
    local answers = observe(group, entries, healing)
    local granted = claims and grant(group, forced) or {}
    write_group(KEYS[i], group)
    reply[#reply + 1] = { id, answers, granted }
  end
elseif operation == "settle" then
  for i = 4, #KEYS do
    local id = take()
    local ending = { token = take(), kind = take(), took = take() }
    ending.ghost, ending.pause, ending.backoff = take(), take(), take()
    ending.sent = {}
    for n = 1, take() do
      ending.sent[n] = { name = take(), stamp = take(), had = take() }
    end
    local group = met(KEYS[i])
    if group then
      local again = settle(group, ending)
      write_group(KEYS[i], group)
      reply[#reply + 1] = { id, standings_of(group, ending), again }
    else
      reply[#reply + 1] = { id, {}, {} }
    end
  end
elseif operation == "note" then
  for i = 4, #KEYS do
    for n = 1, take() do
      local name, stamp = take(), take()
      local found = redis.call("HMGET", KEYS[i], "w:" .. name, "x:" .. name)
      local want, history = found[1], found[2]
      if want and compare(stamp, want) < 0 and digest_of(stamp) ~= digest_of(want) then
        redis.call("HSET", KEYS[i], "x:" .. name, ignored(history, times_of(stamp)))
      end
    end
  end
elseif operation == "sweep" then
  local limit = take()
  local due = redis.call("ZRANGEBYSCORE", KEYS[2], "-inf", digits(now), "LIMIT", "0", digits(limit))
  for _, member in ipairs(due) do
    local key = call.prefix .. member
    local group = met(key)
    if group then
      local granted = grant(group, false)
      write_group(key, group)
      if #granted > 0 then
        reply[#reply + 1] = { group.id, {}, granted }
      end
    else
      redis.call("ZREM", KEYS[2], member)
    end
  end
  local fading = redis.call("ZRANGEBYSCORE", KEYS[3], "-inf", digits(now), "LIMIT", "0", digits(limit))
  for _, member in ipairs(fading) do
    local key = call.prefix .. member
    local group = met(key)
    if group then
      write_group(key, group)
    else
      redis.call("ZREM", KEYS[3], member)
    end
  end
elseif operation == "forget" then
  for i = 4, #KEYS do
    local group = met(KEYS[i])
    if group then
      for _, known in pairs(group.properties) do
        faded(known)
        if known.have ~= "?" then
          known.have, known.refused = "", false
        end
      end
      write_group(KEYS[i], group)
      reply[#reply + 1] = { group.id, {}, {} }
    end
  end
end

return cjson.encode({ digits(now), digits(store.birth), reply })
