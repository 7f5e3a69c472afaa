import type { Environment } from "../io/index.ts";
import { endpointOf } from "./endpoint.ts";
import { Session } from "./session.ts";
import { readSettings } from "./settings.ts";

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
  const { answer } = await session.request({
    ...{ method: "GET", path: "./", scopes: [], doing, expected: [200], signal },
  });
  await answer.body.dump();
}
