import type { NameReference } from "../image/index.ts";
import { type Environment, WhittleError } from "../io/index.ts";
import { findCredential } from "./credentials.ts";
import { endpointOf } from "./endpoint.ts";
import { readPlaces } from "./mirrors.ts";
import { Repository } from "./repository.ts";
import { Session, type SessionOptions } from "./session.ts";
import { readSettings } from "./settings.ts";
import { readEntries, type SettingsEntry } from "./settings-file.ts";

// Of one that is not there each try costs time in every run, and the next place is as good.
const mirrorAttempts = 2;

/** How the registries of one run are reached. */
export interface ClientOptions extends Partial<Omit<SessionOptions, "environment">> {
  readonly environment: Environment;
}

/** Everything that one run says to registries: one conversation with each. */
export interface RegistryClient {
  /** A conversation with a registry. */
  session(host: string): Promise<Session>;
  /** The repository of a reference, for reading: at the first mirror that has what the reference names, or at home. */
  repository(reference: NameReference, signal: AbortSignal): Promise<Repository>;
  /** The repository of a reference where it really lies, for what a mirror may know less of. */
  home(reference: NameReference, signal: AbortSignal): Promise<Repository>;
}

/** Opens a client; nothing is read or connected before the first use, and the settings are read once. */
export function openClient(options: ClientOptions): RegistryClient {
  const { environment } = options;
  const sessions = new Map<string, Promise<Session>>();
  // Waiting for one that does not answer is for once.
  const silent = new Set<string>();
  let read: Promise<readonly SettingsEntry[]> | undefined;
  const entries = (): Promise<readonly SettingsEntry[]> => {
    read ??= readEntries(environment);
    return read;
  };
  const session = (host: string): Promise<Session> => {
    const known = sessions.get(host);
    if (known !== undefined) return known;
    const made = (async () => {
      const settings = await readSettings(host, environment, await entries());
      const credential = (wanted: string, repository?: string) =>
        findCredential(wanted, environment, repository);
      return new Session(endpointOf(host, settings), { credential, ...options });
    })();
    sessions.set(host, made);
    return made;
  };
  return {
    session,
    repository: async ({ registry, repository, tag, digest }, signal) => {
      const { mirrors, home } = readPlaces({ registry, repository }, await entries());
      for (const mirror of mirrors) {
        if (silent.has(mirror.registry)) continue;
        const there = new Repository(await session(mirror.registry), mirror.repository, signal);
        // A mirror that does not answer is as good as one that has nothing.
        const named = digest ?? tag ?? "latest";
        const found = await there.head(named, { attempts: mirrorAttempts }).catch((error: unknown) => {
          if (error instanceof WhittleError && error.code === "NETWORK") silent.add(mirror.registry);
          return undefined;
        });
        signal.throwIfAborted();
        if (found !== undefined) return there;
      }
      return new Repository(await session(home.registry), home.repository, signal);
    },
    home: async (reference, signal) => {
      const { home } = readPlaces(reference, await entries());
      return new Repository(await session(home.registry), home.repository, signal);
    },
  };
}
