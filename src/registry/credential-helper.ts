import { spawn } from "node:child_process";
import { type Environment, WhittleError } from "../io/index.ts";
import type { Credential } from "./credential.ts";

const mostBytes = 1024 * 1024;
const patience = 30_000;

/** What a program of Docker's credential helper protocol is asked for. */
type Action = "get" | "store" | "erase";

/**
 * Asks a credential helper (`docker-credential-NAME`) for what it knows of a server.
 *
 * @throws WhittleError `ENVIRONMENT` when it cannot be run or answers nonsense
 */
export async function credentialFromHelper(
  helper: string,
  server: string,
  environment: Environment,
): Promise<Credential | undefined> {
  const { status, output } = await run(helper, "get", server, environment);
  if (status !== 0) {
    // The protocol's way to say that there is nothing.
    if (/credentials not found|no credentials/i.test(output)) return undefined;
    throw failed(helper, "get", output);
  }
  let told: { Username?: unknown; Secret?: unknown } = {};
  try {
    told = JSON.parse(output) as typeof told;
  } catch {
    throw failed(helper, "get", "its answer is not JSON");
  }
  const { Username: username, Secret: secret } = told;
  if (typeof username !== "string" || typeof secret !== "string" || secret === "") return undefined;
  return username === "<token>"
    ? { kind: "identity", token: secret }
    : { kind: "password", username, password: secret };
}

/** Has a credential helper keep a name and a password. */
export async function storeInHelper(
  helper: string,
  server: string,
  { username, password }: { readonly username: string; readonly password: string },
  environment: Environment,
): Promise<void> {
  const input = JSON.stringify({ ServerURL: server, Username: username, Secret: password });
  const { status } = await run(helper, "store", input, environment);
  // What it says may hold what it was told.
  if (status !== 0) throw failed(helper, "store", "it fails");
}

/** Has a credential helper forget a server; one that it does not know is no error. */
export async function eraseFromHelper(
  helper: string,
  server: string,
  environment: Environment,
): Promise<void> {
  const { status, output } = await run(helper, "erase", server, environment);
  if (status !== 0 && !/not found/i.test(output)) throw failed(helper, "erase", output);
}

function run(
  helper: string,
  action: Action,
  input: string,
  environment: Environment,
): Promise<{ readonly status: number; readonly output: string }> {
  // A helper is a program on the PATH, never a path that a file names.
  if (!/^[A-Za-z0-9._-]+$/.test(helper)) throw failed(helper, action, "its name is not that of a program");
  return new Promise((resolve, reject) => {
    const child = spawn(`docker-credential-${helper}`, [action], {
      env: environment as NodeJS.ProcessEnv,
      stdio: ["pipe", "pipe", "ignore"],
      timeout: patience,
    });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      if (output.length < mostBytes) output += chunk.toString("utf8");
    });
    child.on("error", (error: NodeJS.ErrnoException) =>
      reject(failed(helper, action, error.code === "ENOENT" ? "it is not on the PATH" : error.message)),
    );
    child.on("close", (status) => resolve({ status: status ?? 1, output }));
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
  });
}

function failed(helper: string, action: Action, reason: string): WhittleError {
  const said = reason.trim().slice(0, 200) || "it fails";
  return new WhittleError(
    "ENVIRONMENT",
    `Cannot ${action} credentials by docker-credential-${helper}: ${said}`,
    {
      hint: "install it, or take credsStore and credHelpers out of Docker's config.json",
    },
  );
}
