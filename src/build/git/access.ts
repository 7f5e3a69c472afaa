import { join } from "node:path";
import { redact, WhittleError } from "../../io/index.ts";
import type { GitLocal } from "./request.ts";

/** Variables that let git reach a repository, until they are taken back. */
interface Access {
  readonly variables: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

const nothing: Access = { variables: {}, close: async () => undefined };

/** Credentials travel in the environment: the command line is everybody's to read, and a file would stay. */
export async function grantAccess(remote: string, local: GitLocal): Promise<Access> {
  const scheme = /^([a-z]+):\/\//i.exec(remote)?.[1]?.toLowerCase();
  if (scheme === "http" || scheme === "https") return httpAccess(remote, local);
  if (scheme === "ssh" || (scheme === undefined && !remote.startsWith("/"))) return sshAccess(remote, local);
  return nothing;
}

async function httpAccess(remote: string, { secret }: GitLocal): Promise<Access> {
  const host = URL.canParse(remote) ? new URL(remote).host : "";
  for (const id of [
    `GIT_AUTH_HEADER.${host}`,
    `GIT_AUTH_TOKEN.${host}`,
    "GIT_AUTH_HEADER",
    "GIT_AUTH_TOKEN",
  ]) {
    const bytes = await secret?.(id);
    if (bytes === undefined) continue;
    const text = Buffer.from(bytes).toString("utf8").trim();
    const value = id.startsWith("GIT_AUTH_TOKEN")
      ? `basic ${Buffer.from(`x-access-token:${text}`).toString("base64")}`
      : text;
    const variables = {
      GIT_CONFIG_COUNT: "1",
      GIT_CONFIG_KEY_0: `http.${tokenScope(remote)}.extraHeader`,
      GIT_CONFIG_VALUE_0: `Authorization: ${value}`,
    };
    return { ...nothing, variables };
  }
  return nothing;
}

/** A credential is for the repository that it was given for, and at GitHub for those beside it, as BuildKit does. */
function tokenScope(remote: string): string {
  const shared = ["https://github.com/", "https://www.github.com/"];
  return shared.find((prefix) => remote.startsWith(prefix)) ?? remote;
}

async function sshAccess(remote: string, { agent, cacheDirectory, environment }: GitLocal): Promise<Access> {
  const given = await agent?.("default");
  if (given === undefined) {
    throw new WhittleError(
      "NOT_FOUND",
      `Cannot fetch ${redact(remote)}: no ssh agent was given for the build`,
      {
        hint: "--ssh default forwards the agent of SSH_AUTH_SOCK, --ssh default=KEY-FILE a key",
      },
    );
  }
  const { shareAgent } = await import("../../sandbox/index.ts");
  const socket = await shareAgent(given, { uid: 0, gid: 0, mode: 0o600 }, environment);
  // A host seen for the first time is remembered; one that shows another key than before is refused.
  const known = [
    join(cacheDirectory, "git", "known_hosts"),
    join(environment["HOME"] ?? "/", ".ssh", "known_hosts"),
  ];
  const options = [
    "BatchMode=yes",
    "StrictHostKeyChecking=accept-new",
    `UserKnownHostsFile=${known.map((path) => `"${path}"`).join(" ")}`,
    "IdentityFile=none",
    "ConnectTimeout=30",
    "ServerAliveInterval=15",
  ];
  const command = ["ssh", "-F", "/dev/null", ...options.flatMap((option) => ["-o", option])];
  return {
    variables: {
      GIT_SSH_COMMAND: command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" "),
      GIT_SSH_VARIANT: "ssh",
      SSH_AUTH_SOCK: socket.path,
    },
    close: () => socket.close(),
  };
}
