import type { SshAgent } from "../build/index.ts";

/** What `--ssh` names: the socket of an agent, or files with keys. */
export interface AgentSource {
  /** Absolute. */
  readonly paths: readonly string[];
  /** Pass everything on to the socket, not only what lists keys and signs. */
  readonly raw: boolean;
}

/** Opens agents by their names, each once. */
export function agentsOf(
  sources: ReadonlyMap<string, AgentSource> | undefined,
): (id: string) => Promise<SshAgent | undefined> {
  const opened = new Map<string, Promise<SshAgent>>();
  return async (id) => {
    const source = sources?.get(id);
    if (source === undefined) return undefined;
    const agent = opened.get(id) ?? open(source);
    opened.set(id, agent);
    return agent;
  };
}

async function open({ paths, raw }: AgentSource): Promise<SshAgent> {
  const { openAgent } = await import("../sandbox/index.ts");
  return openAgent(paths, raw);
}
