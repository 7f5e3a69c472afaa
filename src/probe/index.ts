export type { Probe } from "./probe.ts";
export { formatProbe, parseProbe } from "./probe.ts";
export type { ProbeResult, ProbeTarget } from "./run.ts";
export { probe, probeAll } from "./run.ts";
