import { parseReference } from "../image/index.ts";
import { type Environment, WhittleError } from "../io/index.ts";
import { endpointOf } from "./endpoint.ts";
import { Session } from "./session.ts";
import { readSettings } from "./settings.ts";

/** What a person logs in to: a registry, or a part of one, which has credentials of its own. */
export interface LoginPlace {
  readonly host: string;
  /** As credentials are kept for it: `HOST` or `HOST/team`. */
  readonly key: string;
}

/**
 * Reads `HOST[:PORT][/PATH]`, with `https://` in front as older tools wrote it.
 *
 * @throws WhittleError `REFERENCE_INVALID`
 */
export function parseLoginPlace(text: string): LoginPlace {
  const key = text.replace(/^https?:\/\//, "").replace(/(?:\/v[12])?\/$/, "");
  const [host = "", ...words] = key.split("/");
  // A host alone is a name's last word to a reference: only what follows it tells.
  const named = /^[A-Za-z0-9.:[\]-]+$/.test(host) && isReference(`${host}/${words.join("/") || "x"}`);
  if (named) return { host, key };
  throw new WhittleError("REFERENCE_INVALID", `Cannot log in to "${text}": it is no registry`, {
    hint: "HOST, HOST:PORT, or with the beginning of a repository's name HOST/team",
  });
}

function isReference(text: string): boolean {
  try {
    parseReference(`docker://${text}`);
    return true;
  } catch {
    return false;
  }
}

/**
 * Asks a registry whether it accepts a name and a password (distribution-spec, "Determining Support").
 *
 * @throws WhittleError `REGISTRY_DENIED` when it does not
 */
export async function checkLogin(
  host: string,
  { username, password }: { readonly username: string; readonly password: string },
  environment: Environment,
  signal: AbortSignal,
): Promise<void> {
  const session = new Session(endpointOf(host, await readSettings(host, environment)), {
    environment,
    credential: async () => ({ kind: "password", username, password }),
  });
  const doing = `log in to ${host} as ${username}`;
  try {
    const { answer } = await session.request({
      ...{ method: "GET", path: "./", scopes: [], doing, expected: [200], signal },
    });
    await answer.body.dump();
  } catch (error) {
    if (!(error instanceof WhittleError) || error.code !== "REGISTRY_DENIED") throw error;
    const hint = "check the name and the password; many registries want a token in place of the password";
    throw new WhittleError(error.code, error.message, { hint, cause: error });
  }
}
