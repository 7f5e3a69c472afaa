type Access = readonly [type: number, flags: number, mask: number, who: keyof typeof identities];

/** Security identifiers (MS-DTYP 2.4.2.4, "Well-Known SID Structures"): authority and parts. */
const identities = {
  administrators: [5, 32, 544],
  users: [5, 32, 545],
  system: [5, 18],
  owner: [3, 0],
} as const;

/** A self-relative security descriptor (MS-DTYP 2.4.6) of administrators' files of the system's group, in base64. */
function descriptor(list: readonly Access[]): string {
  const owner = identity("administrators");
  const group = identity("system");
  const entries = list.map(([type, flags, mask, who]) => {
    const id = identity(who);
    const head = Buffer.alloc(8);
    head.writeUInt8(type, 0);
    head.writeUInt8(flags, 1);
    head.writeUInt16LE(8 + id.length, 2);
    head.writeUInt32LE(mask, 4);
    return Buffer.concat([head, id]);
  });
  const body = Buffer.concat(entries);
  const acl = Buffer.alloc(8);
  acl.writeUInt8(2, 0);
  acl.writeUInt16LE(8 + body.length, 2);
  acl.writeUInt16LE(list.length, 4);
  const head = Buffer.alloc(20);
  head.writeUInt8(1, 0);
  // Self-relative, with a list of rights.
  head.writeUInt16LE(0x8004, 2);
  head.writeUInt32LE(20, 4);
  head.writeUInt32LE(20 + owner.length, 8);
  head.writeUInt32LE(20 + owner.length + group.length, 16);
  return Buffer.concat([head, owner, group, acl, body]).toString("base64");
}

function identity(who: keyof typeof identities): Buffer {
  const [authority, ...parts] = identities[who];
  const bytes = Buffer.alloc(8 + 4 * parts.length);
  bytes.writeUInt8(1, 0);
  bytes.writeUInt8(parts.length, 1);
  bytes.writeUInt8(authority, 7);
  for (const [index, part] of parts.entries()) bytes.writeUInt32LE(part, 8 + 4 * index);
  return bytes;
}

/**
 * Who may do what with files of a Windows image: administrators and the system everything, users read; in directories
 * they may make things.
 */
export const rights = {
  // O:BAG:SYD:(A;OICI;FA;;;BA)(A;OICI;FA;;;SY)(A;;FA;;;BA)(A;OICIIO;GA;;;CO)(A;OICI;0x1200a9;;;BU)(A;CI;LC;;;BU)(A;CI;DC;;;BU)
  directory: descriptor([
    [0, 3, 0x1f01ff, "administrators"],
    [0, 3, 0x1f01ff, "system"],
    [0, 0, 0x1f01ff, "administrators"],
    [0, 11, 0x10000000, "owner"],
    [0, 3, 0x1200a9, "users"],
    [0, 2, 0x4, "users"],
    [0, 2, 0x2, "users"],
  ]),
  // O:BAG:SYD:(A;;FA;;;BA)(A;;FA;;;SY)(A;;0x1200a9;;;BU)
  file: descriptor([
    [0, 0, 0x1f01ff, "administrators"],
    [0, 0, 0x1f01ff, "system"],
    [0, 0, 0x1200a9, "users"],
  ]),
} as const;
