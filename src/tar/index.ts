export type { MemberDetails } from "./encode.ts";
export { indexTar, memberContent, sliceContent } from "./index-tar.ts";
export type { IndexedMember, SparsePiece, TarHeader, TarLimits, TarMember, TarType } from "./member.ts";
export { defaultLimits } from "./member.ts";
export { readTar } from "./read.ts";
export type { TreeOfMembersOptions } from "./tree.ts";
export { placeOf, treeOfMembers, treeOfTar } from "./tree.ts";
export type { TarPiece, WriteTarOptions } from "./write.ts";
export { writeTar, writeTarPieces } from "./write.ts";
