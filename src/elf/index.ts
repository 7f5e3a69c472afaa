export type { ElfType } from "./file.ts";
export { ElfFile, readElf } from "./file.ts";
export type { ElfMachine, Encoding, Machine, MachinePlatform } from "./machine.ts";
export { machineMatches, machineOf, machines } from "./machine.ts";
export type { DlopenNote } from "./notes.ts";
export type { VersionNeed } from "./versions.ts";
