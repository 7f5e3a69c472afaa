import { constants } from "node:os";
import type { Healthcheck } from "../../image/index.ts";
import { located } from "../../io/index.ts";
import { checkPort } from "../checks/index.ts";
import type { CommandForm, Instruction } from "../instruction.ts";
import { mistake, pointAt } from "../place.ts";
import { parsePorts } from "../ports.ts";
import { expandWords } from "../words.ts";
import { duration, plainList, quoted, quotedCharacter, quotedList } from "./go-format.ts";
import type { PlanOptions } from "./options.ts";
import { outlined } from "./stage-outline.ts";
import { commit, type StageState, setVariable } from "./stage-state.ts";

type Of<Kind extends Instruction["kind"]> = Extract<Instruction, { kind: Kind }>;

/** Fills the variables of a stage into a word, or into the content of a heredoc, where quotes mean nothing. */
export type Expand = (word: string, form?: "heredoc") => string;

/** ENV: all values are made with the variables from before it. */
export function planEnv(state: StageState, { pairs }: Of<"env">, expand: Expand): void {
  const made = pairs.map(([name, value]) => [expand(name), expand(value)] as const);
  const env = [...(state.config.Env ?? [])];
  for (const [name, value] of made) {
    setVariable(state, name, value);
    const index = env.findIndex((line) => line.split("=", 1)[0] === name);
    if (index < 0) env.push(`${name}=${value}`);
    else env[index] = `${name}=${value}`;
  }
  state.config.Env = env;
  commit(state, `ENV ${made.map((pair) => pair.join("=")).join(" ")}`, "no layer");
}

/** LABEL. */
export function planLabel(state: StageState, { pairs }: Of<"label">, expand: Expand): void {
  const made = pairs.map(([name, value]) => [expand(name), expand(value)] as const);
  state.config.Labels = { ...state.config.Labels, ...Object.fromEntries(made) };
  commit(state, `LABEL ${made.map((pair) => pair.join("=")).join(" ")}`, "no layer");
}

/** A command with the shell in front where it is in shell form. */
export function commandLine(state: StageState, command: CommandForm): string[] {
  if (command.form === "exec") return [...command.argv];
  return [...shellOf(state), command.command];
}

/** What a command in shell form is given to. */
export function shellOf(state: StageState): readonly string[] {
  const { Shell } = state.config;
  if (Shell !== undefined && Shell.length > 0) return Shell;
  return state.platform.os === "windows" ? ["cmd", "/S", "/C"] : ["/bin/sh", "-c"];
}

/** CMD. */
export function planCmd(state: StageState, { command }: Of<"cmd" | "entrypoint">): void {
  const args = commandLine(state, command);
  state.config.Cmd = args;
  state.config.ArgsEscaped = true;
  state.cmdSet = true;
  commit(state, `CMD ${quotedList(args)}`, "no layer");
}

/** ENTRYPOINT: a CMD that came from the base no longer counts. */
export function planEntrypoint(state: StageState, { command }: Of<"cmd" | "entrypoint">): void {
  const args = commandLine(state, command);
  state.config.Entrypoint = args;
  if (!state.cmdSet) delete state.config.Cmd;
  commit(state, `ENTRYPOINT ${quotedList(args)}`, "no layer");
}

/** SHELL. */
export function planShell(state: StageState, { argv }: Of<"shell">): void {
  state.config.Shell = argv;
  commit(state, `SHELL ${plainList(argv)}`, "no layer");
}

/** EXPOSE. */
export function planExpose(
  state: StageState,
  instruction: Of<"expose">,
  escapeWith: "\\" | "`",
  warn: PlanOptions["warn"],
): void {
  const words = instruction.ports.flatMap((port) =>
    expandWords(port, state.variables, { escape: escapeWith }),
  );
  const ports = words.flatMap((word) => {
    const at = pointAt(instruction.place, word);
    for (const warning of checkPort(word, at)) warn?.(warning);
    try {
      return parsePorts(word);
    } catch (error) {
      throw located(error, at);
    }
  });
  const exposed: Record<string, Record<string, never>> = { ...state.config.ExposedPorts };
  for (const port of ports) exposed[port] = {};
  state.config.ExposedPorts = exposed;
  commit(state, `EXPOSE ${plainList(ports)}`, "no layer");
}

/** USER. */
export function planUser(state: StageState, { user }: Of<"user">, expand: Expand): void {
  state.config.User = expand(user);
  commit(state, `USER ${state.config.User}`, "no layer");
}

/** VOLUME. */
export function planVolume(state: StageState, { paths, place }: Of<"volume">, expand: Expand): void {
  const made = paths.map((path) => expand(path));
  const volumes: Record<string, Record<string, never>> = { ...state.config.Volumes };
  for (const path of made) {
    if (path === "") throw mistake(place, "VOLUME specified can not be an empty string");
    volumes[path] = {};
  }
  state.config.Volumes = volumes;
  commit(state, `VOLUME ${plainList(made)}`, "no layer");
}

/** STOPSIGNAL. */
export function planStopsignal(state: StageState, instruction: Of<"stopsignal">, expand: Expand): void {
  const signal = expand(instruction.signal);
  if (!isSignal(signal)) throw mistake(instruction.place, `invalid signal: ${signal}`, { part: signal });
  state.config.StopSignal = signal;
  commit(state, `STOPSIGNAL ${signal}`, "no layer");
}

function isSignal(text: string): boolean {
  // BuildKit asks of a number only that it is not 0.
  if (/^[-+]?\d+$/.test(text)) return Number(text) !== 0;
  const name = text.toUpperCase().replace(/^SIG/, "");
  return `SIG${name}` in constants.signals || /^RTM(?:IN|AX)(?:[+-]\d{1,2})?$/.test(name);
}

/** MAINTAINER. */
export function planMaintainer(state: StageState, { name }: Of<"maintainer">): void {
  state.author = name;
  commit(state, `MAINTAINER ${state.author}`, "no layer");
}

/** HEALTHCHECK. */
export function planHealthcheck(state: StageState, instruction: Of<"healthcheck">): void {
  const { none, command, interval, timeout, startPeriod, startInterval, retries } = instruction;
  const test = none ? ["NONE"] : command === undefined ? [] : healthTest(command);
  state.config.Healthcheck = {
    Test: test,
    ...(interval ? { Interval: interval } : {}),
    ...(timeout ? { Timeout: timeout } : {}),
    ...(startPeriod ? { StartPeriod: startPeriod } : {}),
    ...(startInterval ? { StartInterval: startInterval } : {}),
    ...(retries ? { Retries: retries } : {}),
  } satisfies Healthcheck;
  const times = [interval, timeout, startPeriod, startInterval].map((time) => quoted(duration(time ?? 0)));
  const shown = `&{${quotedList(test)} ${times.join(" ")} ${quotedCharacter(retries ?? 0)}}`;
  commit(state, `HEALTHCHECK ${shown}`, "no layer");
}

function healthTest(command: CommandForm): string[] {
  return command.form === "exec" ? ["CMD", ...command.argv] : ["CMD-SHELL", command.command];
}

/** ONBUILD: kept for images and stages on top of this one. */
export function planOnbuild(state: StageState, { expression }: Of<"onbuild">): void {
  state.config.OnBuild = [...(state.config.OnBuild ?? []), expression];
  state.triggers.push(expression);
}

/** ARG: a value from outside wins over the default; without either the global scope's value is taken. */
export function planArg(
  state: StageState,
  { args, place }: Of<"arg">,
  given: ReadonlyMap<string, string>,
  globals: ReadonlyMap<string, string>,
  expand: Expand,
): void {
  const shown = args.map((argument) => {
    const { name, value: fallback } = argument;
    const value = given.get(name) ?? (fallback === undefined ? globals.get(name) : expand(fallback));
    if (fallback === undefined && !given.has(name) && globals.has(name)) state.outline.inherited.add(name);
    else state.outline.arguments.set(name, outlined(argument, value, place.line));
    if (value !== undefined) setVariable(state, name, value);
    state.declared.push({ name, value });
    return value === undefined ? name : `${name}=${value}`;
  });
  commit(state, `ARG ${shown.join(" ")}`, "no layer");
}
