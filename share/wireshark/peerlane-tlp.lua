-- PCI Express packets of peerlane captures (`--pcap`) in Wireshark and tshark. The format is docs/pcap.md.
--
--   tshark -X lua_script:peerlane-tlp.lua -r out.pcapng -Y 'pltlp.type == "MRd" && pltlp.length > 64'
--   wireshark -X lua_script:peerlane-tlp.lua out.pcapng
--
-- or copy it into the folder of personal plugins (Help, About Wireshark, Folders). It claims DLT USER0; a table of your own under
-- Preferences, Protocols, DLT_USER comes first.

local PSEUDO_BYTES = 32
local VERSION = 1

local tlp = Proto("pltlp", "PCI Express TLP (peerlane)")

local DIRECTIONS = { [0] = "up", [1] = "down" }
local ADDRESS_TYPES = { [0] = "untranslated", [1] = "translation request", [2] = "translated", [3] = "reserved" }
local STATUS = {
  [0] = "Successful Completion",
  [1] = "Unsupported Request",
  [2] = "Request Retry Status",
  [4] = "Completer Abort",
}
local ROUTING = {
  [0] = "to the root complex", [1] = "by address", [2] = "by id", [3] = "broadcast",
  [4] = "local", [5] = "gathered to the root complex",
}
local MESSAGES = {
  [0x00] = "Unlock", [0x01] = "Invalidate Request", [0x02] = "Invalidate Completion", [0x04] = "Page Request",
  [0x05] = "PRG Response", [0x10] = "LTR", [0x12] = "OBFF", [0x14] = "PM_Active_State_Nak", [0x18] = "PM_PME",
  [0x19] = "PME_Turn_Off", [0x1b] = "PME_TO_Ack", [0x20] = "Assert_INTA", [0x21] = "Assert_INTB",
  [0x22] = "Assert_INTC", [0x23] = "Assert_INTD", [0x24] = "Deassert_INTA", [0x25] = "Deassert_INTB",
  [0x26] = "Deassert_INTC", [0x27] = "Deassert_INTD", [0x30] = "ERR_COR", [0x31] = "ERR_NONFATAL",
  [0x33] = "ERR_FATAL", [0x50] = "Set_Slot_Power_Limit", [0x7e] = "Vendor_Defined Type 0",
  [0x7f] = "Vendor_Defined Type 1",
}

local f = {
  version = ProtoField.uint8("pltlp.version", "Version of the capture"),
  direction = ProtoField.uint8("pltlp.direction", "Direction", base.DEC, DIRECTIONS, 0x01),
  replay = ProtoField.bool("pltlp.replay", "Replay", 8, nil, 0x02),
  flit = ProtoField.bool("pltlp.flit", "Link in flit mode", 8, nil, 0x04),
  generation = ProtoField.uint8("pltlp.generation", "Generation of the link"),
  width = ProtoField.uint8("pltlp.width", "Lanes of the link"),
  domain = ProtoField.uint16("pltlp.domain", "Domain", base.HEX),
  port = ProtoField.uint16("pltlp.port_id", "Port above the link", base.HEX),
  port_name = ProtoField.string("pltlp.port", "Port above the link"),
  sequence = ProtoField.uint16("pltlp.seq", "Sequence number"),
  wire = ProtoField.uint16("pltlp.wire_bytes", "Bytes on the wire"),
  start_ps = ProtoField.uint64("pltlp.start_ps", "First symbol (ps)"),
  end_ps = ProtoField.uint64("pltlp.end_ps", "Last symbol (ps)"),
  header_credits = ProtoField.uint16("pltlp.credits.header", "Header credits left"),
  data_credits = ProtoField.uint16("pltlp.credits.data", "Data credits left"),

  fmt = ProtoField.uint8("pltlp.fmt", "Fmt", base.HEX, nil, 0xe0),
  type_bits = ProtoField.uint8("pltlp.type_bits", "Type", base.HEX, nil, 0x1f),
  type = ProtoField.string("pltlp.type", "Kind"),
  tc = ProtoField.uint8("pltlp.tc", "Traffic class", base.DEC, nil, 0x70),
  attr = ProtoField.uint8("pltlp.attr", "Attributes", base.HEX),
  no_snoop = ProtoField.bool("pltlp.attr.no_snoop", "No Snoop"),
  relaxed = ProtoField.bool("pltlp.attr.relaxed", "Relaxed Ordering"),
  id_based = ProtoField.bool("pltlp.attr.ido", "ID-based Ordering"),
  digest = ProtoField.bool("pltlp.td", "Digest present", 8, nil, 0x80),
  poisoned = ProtoField.bool("pltlp.ep", "Poisoned", 8, nil, 0x40),
  at = ProtoField.uint8("pltlp.at", "Address type", base.DEC, ADDRESS_TYPES, 0x0c),
  length = ProtoField.uint16("pltlp.length", "Length (bytes)"),
  length_dw = ProtoField.uint16("pltlp.length_dw", "Length (words)"),

  requester_id = ProtoField.uint16("pltlp.requester_id", "Requester ID", base.HEX),
  requester = ProtoField.string("pltlp.requester", "Requester"),
  completer_id = ProtoField.uint16("pltlp.completer_id", "Completer ID", base.HEX),
  completer = ProtoField.string("pltlp.completer", "Completer"),
  tag = ProtoField.uint16("pltlp.tag", "Tag"),
  first_be = ProtoField.uint8("pltlp.first_be", "First byte enables", base.HEX, nil, 0x0f),
  last_be = ProtoField.uint8("pltlp.last_be", "Last byte enables", base.HEX, nil, 0xf0),
  addr = ProtoField.uint64("pltlp.addr", "Address", base.HEX),
  register = ProtoField.uint16("pltlp.register", "Register", base.HEX),
  status = ProtoField.uint8("pltlp.status", "Status", base.DEC, STATUS, 0xe0),
  byte_count = ProtoField.uint16("pltlp.byte_count", "Byte count"),
  lower_addr = ProtoField.uint8("pltlp.lower_addr", "Lower address", base.HEX, nil, 0x7f),
  code = ProtoField.uint8("pltlp.msg.code", "Message code", base.HEX, MESSAGES),
  routing = ProtoField.uint8("pltlp.msg.routing", "Routed", base.DEC, ROUTING, 0x07),
  payload = ProtoField.bytes("pltlp.payload", "Payload"),
  ecrc = ProtoField.bytes("pltlp.ecrc", "Digest (ECRC)"),

  request_in = ProtoField.framenum("pltlp.request_in", "Request in", base.NONE, frametype.REQUEST),
  response_in = ProtoField.framenum("pltlp.response_in", "Last completion in", base.NONE, frametype.RESPONSE),
  time_ps = ProtoField.uint64("pltlp.time_ps", "Since the request (ps)"),
}
tlp.fields = f

local bad = {
  version = ProtoExpert.new("pltlp.version.unknown", "Capture of another version", expert.group.UNDECODED, expert.severity.WARN),
  short = ProtoExpert.new("pltlp.short", "Shorter than its header", expert.group.MALFORMED, expert.severity.ERROR),
  type = ProtoExpert.new("pltlp.type.unknown", "Fmt and Type of no known packet", expert.group.UNDECODED, expert.severity.WARN),
  status = ProtoExpert.new("pltlp.status.failed", "Completion with an error", expert.group.RESPONSE_CODE, expert.severity.WARN),
  unmatched = ProtoExpert.new("pltlp.unmatched", "Completion without a request in this capture", expert.group.SEQUENCE, expert.severity.NOTE),
  poisoned = ProtoExpert.new("pltlp.ep.set", "Poisoned", expert.group.PROTOCOL, expert.severity.WARN),
}
tlp.experts = { bad.version, bad.short, bad.type, bad.status, bad.unmatched, bad.poisoned }

-- Fmt without its lowest bit (3 or 4 words) and Type, as one byte.
local KINDS = {
  [0x00] = "MRd", [0x40] = "MWr", [0x02] = "IORd", [0x42] = "IOWr",
  [0x04] = "CfgRd0", [0x44] = "CfgWr0", [0x05] = "CfgRd1", [0x45] = "CfgWr1",
  [0x0a] = "Cpl", [0x4a] = "CplD", [0x4c] = "FetchAdd", [0x4d] = "Swap", [0x4e] = "CAS",
}
for routing = 0, 7 do
  KINDS[0x10 + routing] = "Msg"
  KINDS[0x50 + routing] = "MsgD"
end
local FORMS = {
  MRd = "memory", MWr = "memory", FetchAdd = "memory", Swap = "memory", CAS = "memory", IORd = "memory", IOWr = "memory",
  CfgRd0 = "config", CfgWr0 = "config", CfgRd1 = "config", CfgWr1 = "config",
  Cpl = "completion", CplD = "completion", Msg = "message", MsgD = "message",
}

local function id_text(id)
  return string.format("%02x:%02x.%d", bit.rshift(id, 8), bit.band(bit.rshift(id, 3), 0x1f), bit.band(id, 7))
end

-- Requests that wait for completions, by link, requester and tag; and what was found out, by frame. A packet that crosses several
-- links is a frame on each, and is matched on each.
local waiting, request_of, response_of, started

function tlp.init()
  waiting, request_of, response_of, started = {}, {}, {}, {}
end

local function key_of(link, requester, tag)
  return string.format("%x %x %x", link, requester, tag)
end

local function note_request(pinfo, key, start)
  if not pinfo.visited then
    waiting[key] = pinfo.number
    started[pinfo.number] = start
  end
end

local function note_completion(pinfo, key, is_last)
  if pinfo.visited then return end
  local request = waiting[key]
  if request == nil then return end
  request_of[pinfo.number] = request
  if is_last then
    response_of[request] = pinfo.number
    waiting[key] = nil
  end
end

local function pseudo_header(buffer, tree)
  local sub = tree:add(tlp, buffer(0, PSEUDO_BYTES), "Link")
  sub:add(f.version, buffer(0, 1))
  sub:add(f.direction, buffer(1, 1))
  sub:add(f.replay, buffer(1, 1))
  sub:add(f.flit, buffer(1, 1))
  sub:add(f.generation, buffer(2, 1))
  sub:add(f.width, buffer(3, 1))
  sub:add(f.domain, buffer(4, 2))
  sub:add(f.port, buffer(6, 2))
  local name = string.format("%04x:%s", buffer(4, 2):uint(), id_text(buffer(6, 2):uint()))
  sub:add(f.port_name, buffer(4, 4), name)
  if buffer(8, 2):uint() ~= 0xffff then sub:add(f.sequence, buffer(8, 2)) end
  sub:add(f.wire, buffer(10, 2))
  sub:add(f.start_ps, buffer(12, 8))
  sub:add(f.end_ps, buffer(20, 8))
  -- 0xffff: without limit, 0xfffe: not known.
  if buffer(28, 2):uint() < 0xfffe then sub:add(f.header_credits, buffer(28, 2)) end
  if buffer(30, 2):uint() < 0xfffe then sub:add(f.data_credits, buffer(30, 2)) end
  return sub, name
end

local function add_id(tree, number_field, text_field, range)
  tree:add(number_field, range)
  tree:add(text_field, range, id_text(range:uint()))
  return id_text(range:uint())
end

local function add_request(tree, header, tag)
  local requester = add_id(tree, f.requester_id, f.requester, header(4, 2))
  tree:add(f.tag, header(6, 1), tag)
  return requester
end

local function add_enables(tree, header)
  tree:add(f.last_be, header(7, 1))
  tree:add(f.first_be, header(7, 1))
end

local decode = {}

function decode.memory(tree, header, facts)
  facts.requester = add_request(tree, header, facts.tag)
  add_enables(tree, header)
  local range = header(8, facts.is_long and 8 or 4)
  -- The lowest two bits are a hint of the processing, no address.
  local addr = facts.is_long and range:uint64() or UInt64(range:uint(), 0)
  addr = addr - addr:band(UInt64(3, 0))
  tree:add(f.addr, range, addr)
  -- Written without the digits that every address has.
  local where = "0x" .. addr:tohex():gsub("^0+", "")
  facts.info = string.format("%s %s %d bytes at %s", facts.requester, facts.kind, facts.length, where)
  if facts.kind ~= "MWr" then facts.expects_completion = true end
end

function decode.config(tree, header, facts)
  facts.requester = add_request(tree, header, facts.tag)
  add_enables(tree, header)
  local completer = add_id(tree, f.completer_id, f.completer, header(8, 2))
  local register = bit.band(header(10, 1):uint(), 0xf) * 256 + bit.band(header(11, 1):uint(), 0xfc)
  tree:add(f.register, header(10, 2), register)
  facts.info = string.format("%s %s %s register 0x%03x", facts.requester, facts.kind, completer, register)
  facts.expects_completion = true
end

function decode.completion(tree, header, facts)
  local completer = add_id(tree, f.completer_id, f.completer, header(4, 2))
  tree:add(f.status, header(6, 1))
  local status = bit.rshift(header(6, 1):uint(), 5)
  local count = bit.band(header(6, 2):uint(), 0xfff)
  if count == 0 then count = 4096 end
  tree:add(f.byte_count, header(6, 2), count)
  facts.requester = add_id(tree, f.requester_id, f.requester, header(8, 2))
  tree:add(f.tag, header(10, 1), facts.tag)
  tree:add(f.lower_addr, header(11, 1))
  if status ~= 0 then tree:add_proto_expert_info(bad.status) end
  local lower = bit.band(header(11, 1):uint(), 3)
  -- The last one carries all that is left; one without data ends its request too.
  facts.is_completion = true
  facts.is_last = facts.kind == "Cpl" or lower + count <= facts.length
  facts.info = string.format("%s %s to %s tag %d, %d bytes left%s", completer, facts.kind, facts.requester, facts.tag, count,
    status == 0 and "" or (", " .. (STATUS[status] or "reserved status")))
end

function decode.message(tree, header, facts)
  facts.requester = add_request(tree, header, facts.tag)
  tree:add(f.code, header(7, 1))
  tree:add(f.routing, header(0, 1))
  local code = header(7, 1):uint()
  facts.info = string.format("%s %s %s", facts.requester, facts.kind, MESSAGES[code] or string.format("code 0x%02x", code))
end

function tlp.dissector(buffer, pinfo, tree)
  pinfo.cols.protocol = "TLP"
  local root = tree:add(tlp, buffer())
  if buffer:captured_len() < PSEUDO_BYTES + 12 then
    root:add_proto_expert_info(bad.short)
    return buffer:captured_len()
  end
  local link, port = pseudo_header(buffer, root)
  if buffer(0, 1):uint() ~= VERSION then
    link:add_proto_expert_info(bad.version)
    return buffer:captured_len()
  end

  local first = buffer(PSEUDO_BYTES, 1):uint()
  local is_long = bit.band(first, 0x20) ~= 0
  local header_bytes = is_long and 16 or 12
  local kind = KINDS[bit.band(first, 0xdf)]
  if buffer:captured_len() < PSEUDO_BYTES + header_bytes then
    root:add_proto_expert_info(bad.short)
    return buffer:captured_len()
  end
  local header = buffer(PSEUDO_BYTES, header_bytes)
  local sub = root:add(tlp, header, "Header")
  sub:add(f.fmt, header(0, 1))
  sub:add(f.type_bits, header(0, 1))
  if kind == nil then
    sub:add_proto_expert_info(bad.type)
    return buffer:captured_len()
  end
  sub:add(f.type, header(0, 1), kind)
  sub:add(f.tc, header(1, 1))
  local second, third = header(1, 1):uint(), header(2, 1):uint()
  local attr = bit.bor(bit.band(bit.rshift(third, 4), 3), bit.band(second, 4))
  local attributes = sub:add(f.attr, header(1, 2), attr)
  attributes:add(f.no_snoop, header(2, 1), bit.band(attr, 1) ~= 0)
  attributes:add(f.relaxed, header(2, 1), bit.band(attr, 2) ~= 0)
  attributes:add(f.id_based, header(1, 1), bit.band(attr, 4) ~= 0)
  sub:add(f.digest, header(2, 1))
  sub:add(f.poisoned, header(2, 1))
  if bit.band(third, 0x40) ~= 0 then sub:add_proto_expert_info(bad.poisoned) end
  sub:add(f.at, header(2, 1))

  local form = FORMS[kind]
  local words = bit.band(header(2, 2):uint(), 0x3ff)
  -- 0 is 1024, except where there is nothing to count.
  if words == 0 and kind ~= "Cpl" and kind ~= "Msg" then words = 1024 end
  sub:add(f.length_dw, header(2, 2), words)
  sub:add(f.length, header(2, 2), words * 4)
  local low_tag = header(form == "completion" and 10 or 6, 1):uint()
  local facts = {
    kind = kind,
    is_long = is_long,
    length = words * 4,
    tag = low_tag + (bit.band(second, 0x08) ~= 0 and 256 or 0) + (bit.band(second, 0x80) ~= 0 and 512 or 0),
  }
  decode[form](sub, header, facts)

  local payload_at = PSEUDO_BYTES + header_bytes
  if bit.band(first, 0x40) ~= 0 and buffer:captured_len() > payload_at then
    root:add(f.payload, buffer(payload_at, math.min(words * 4, buffer:captured_len() - payload_at)))
  end
  -- It stands behind the payload, and is there only with all of that.
  local digest_at = payload_at + (bit.band(first, 0x40) ~= 0 and words * 4 or 0)
  if bit.band(third, 0x80) ~= 0 and buffer:captured_len() >= digest_at + 4 then
    root:add(f.ecrc, buffer(digest_at, 4))
  end

  local is_down = bit.band(buffer(1, 1):uint(), 1) ~= 0
  local requester = header(form == "completion" and 8 or 4, 2):uint()
  local key = key_of(buffer(4, 4):uint(), requester, facts.tag)
  if facts.expects_completion then
    note_request(pinfo, key, buffer(12, 8):uint64())
    local response = response_of[pinfo.number]
    if response ~= nil then
      root:add(f.response_in, response):set_generated()
    end
  elseif facts.is_completion then
    note_completion(pinfo, key, facts.is_last)
    local request = request_of[pinfo.number]
    if request == nil then
      root:add_proto_expert_info(bad.unmatched)
    else
      root:add(f.request_in, request):set_generated()
      root:add(f.time_ps, buffer(20, 8):uint64() - started[request]):set_generated()
    end
  end

  pinfo.cols.src = is_down and port or facts.requester
  pinfo.cols.dst = is_down and "below " .. port or port
  pinfo.cols.info = facts.info
  return buffer:captured_len()
end

DissectorTable.get("wtap_encap"):add(wtap.USER0, tlp)
