import { inlineStep, type RunMount, runStep, type Step } from "../../build/index.ts";
import { parseHeredoc, withoutLeadingTabs } from "../heredoc.ts";
import type { Instruction, Mount } from "../instruction.ts";
import { mistake, pointAt } from "../place.ts";
import { readMounts } from "../read-run.ts";
import type { Expand } from "./metadata.ts";
import { commandLine, shellOf } from "./metadata.ts";
import type { Entitlement, PlanOptions } from "./options.ts";
import { normalized } from "./paths.ts";
import { plannedMount } from "./plan-mount.ts";
import { selection } from "./selection.ts";
import { addLayer, commit, type StageState, stepLabel } from "./stage-state.ts";
import { proxyEnvironment } from "./variables.ts";

type Run = Extract<Instruction, { kind: "run" }>;
type Reading = { readonly input?: string; readonly source?: string };

/**
 * RUN.
 *
 * @param from - comes to the tree that a mount's `from` names; without one, to the context
 */
export async function planRun(
  state: StageState,
  instruction: Run,
  from: (name: string | undefined) => Promise<Step>,
  options: PlanOptions,
  expand: Expand,
): Promise<void> {
  const inputs: Record<string, Step> = {};
  const mounts: RunMount[] = [];
  const targets = new Map<RunMount, string>();
  const { args, script } = runArguments(state, instruction);
  if (script !== undefined) {
    inputs["script"] = inlineStep([script], 0);
    mounts.push({ type: "bind", target: "/dev/pipes", input: "script", source: "/", readOnly: true });
  }
  for (const [index, mount] of readMounts(instruction, expand).entries()) {
    const planned = plannedMount(state, instruction, mount, { index, given: options.buildArguments });
    mounts.push(planned);
    const written = writtenTarget(mount, planned);
    if (written !== undefined) targets.set(planned, written);
    outlineMount(state, planned, instruction.place.line);
    const { input, source = "/" }: Reading =
      planned.type === "bind" || planned.type === "cache" ? planned : {};
    if (input === undefined) continue;
    const read = { paths: [{ path: source, exact: true }], excludes: [] };
    inputs[input] = selection(await from(mount.from), read, instruction, mount.from, options);
  }
  if (state.platform.os !== "linux") {
    const { os } = state.platform;
    throw mistake(instruction.place, `RUN cannot run for ${os}: its programs need a kernel of ${os}`, {
      hint: `FROM --platform=$BUILDPLATFORM runs a stage on this machine, and COPY --from takes what it makes`,
    });
  }
  requireAllowed(instruction, options.allowed);
  const hostname = options.buildArguments.get("BUILDKIT_SANDBOX_HOSTNAME");
  const { network } = instruction;
  const directory = state.config.WorkingDir || "/";
  const step = runStep(
    state.tree,
    inputs,
    {
      args,
      env: [...state.variables].map(([name, value]) => `${name}=${value}`),
      cwd: normalized("/", directory, "no slash"),
      user: state.config.User ?? "",
      platform: state.platform,
      // As in BuildKit, `--network=default` is what the build as a whole has.
      network: network === undefined || network === "default" ? options.network : network,
      insecure: instruction.security === "insecure",
      ...(hostname === undefined ? {} : { hostname }),
      ...(options.shmSize === undefined ? {} : { shmSize: options.shmSize }),
      ...(options.pidsLimit === undefined ? {} : { pidsLimit: options.pidsLimit }),
      ...(options.limits === undefined ? {} : { limits: options.limits }),
      mounts,
      extraHosts: options.extraHosts,
    },
    {
      environment: options.environment,
      cacheDirectory: options.cacheDirectory,
      extraEnv: proxyEnvironment(options.buildArguments).filter(
        (line) => !state.variables.has(line.split("=", 1)[0] ?? ""),
      ),
      written: { cwd: directory, targets },
      secret: options.secret,
      ...(options.agent === undefined ? {} : { agent: options.agent }),
      at: pointAt(instruction.place),
      ...(options.failed === undefined ? {} : { failed: options.failed }),
      shown: `RUN ${args.join(" ")}`,
    },
    stepLabel(state, instruction.original),
  );
  addLayer(state, step);
  commit(state, `RUN ${[...argumentWords(state), ...args].join(" ")} # whittle`, "layer");
}

/** Of secrets and agents also what is relative: BuildKit leaves that to whoever mounts them. */
function writtenTarget({ type, target }: Mount, planned: RunMount): string | undefined {
  if (target === undefined || target === "" || target === planned.target) return undefined;
  return target.startsWith("/") || type === "secret" || type === "ssh" ? target : undefined;
}

/** Nobody gets rights over the machine because a Dockerfile says so. */
function requireAllowed({ place, network, security }: Run, allowed: ReadonlySet<Entitlement>): void {
  const asked: Entitlement[] = [];
  if (network === "host") asked.push("network.host");
  if (security === "insecure") asked.push("security.insecure");
  const missing = asked.find((name) => !allowed.has(name));
  if (missing !== undefined)
    throw mistake(place, `${missing} is not allowed`, { hint: `--allow ${missing}` });
}

/** `|2 a=1 b=2`: the arguments that a command could see, as history tells of them. */
function argumentWords(state: StageState): string[] {
  const words = new Map<string, string>();
  for (const { name, value } of state.declared) {
    words.set(name, `${name}=${state.variables.get(name) ?? value ?? ""}`);
  }
  return words.size === 0 ? [] : [`|${words.size}`, ...words.values()];
}

interface Script {
  readonly name: string;
  readonly content: string;
  readonly mode: number;
}

/** What is run. A heredoc alone is the script itself; one with `#!` in front becomes a file that is run. */
function runArguments(state: StageState, { command }: Run): { args: string[]; script?: Script } {
  if (command.form === "exec" || command.heredocs.length === 0) return { args: commandLine(state, command) };
  const [first] = command.heredocs;
  const shell = shellOf(state);
  if (first !== undefined && parseHeredoc(command.command) !== undefined) {
    const content = first.chomp ? withoutLeadingTabs(first.content) : first.content;
    if (state.platform.os === "windows" || !content.startsWith("#!")) return { args: [...shell, content] };
    const script = { name: first.name, content, mode: 0o755 };
    return { args: [...shell, `/dev/pipes/${first.name}`], script };
  }
  const documents = command.heredocs.map(({ name, content }) => `\n${content}${name}`).join("");
  return { args: [...shell, command.command + documents] };
}

/** Of mounts with one name the last counts. */
function outlineMount({ outline }: StageState, mount: RunMount, line: number): void {
  if (mount.type !== "secret" && mount.type !== "ssh") return;
  const found = mount.type === "secret" ? outline.secrets : outline.agents;
  const { id: name, required } = mount;
  found.set(name, { name, required, line });
}
