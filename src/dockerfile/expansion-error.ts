/** Why a text cannot be expanded, in the reference implementation's words. */
export class ExpansionError extends Error {}
