import { createHmac, randomBytes } from "node:crypto";
import { BearerTokens, bearerChallenge, type Grant } from "./bearer.ts";
import { Passwords } from "./passwords.ts";
import { Refused } from "./refused.ts";
import { UserFile } from "./user-file.ts";

/** Who may do what. */
export interface Access {
  /**
   * Who asks: empty where nobody has to say.
   *
   * @throws Refused `UNAUTHORIZED`, `DENIED`, `TOOMANYREQUESTS`
   */
  admit(authorization: string | undefined, writes: boolean, asked?: Asked): Promise<string>;
  /**
   * A token for who shows a password, or for who shows nothing and may pull.
   *
   * @throws Refused as {@link admit}; `NAME_UNKNOWN` where there are no tokens
   */
  grant(authorization: string | undefined): Promise<Grant>;
}

/** What a request is about. */
export interface Asked {
  /** Scheme and host, as the client sees them. */
  readonly origin: string;
  readonly repository?: string | undefined;
  /** It asks what kind of registry this is: from the answer clients learn how to say who they are. */
  readonly isBase: boolean;
}

export interface AccessOptions {
  /** Path of a file of `NAME:BCRYPT` lines, as `htpasswd -B` writes it; read again when it changes. */
  readonly htpasswd?: string;
  /** Told when the file has changed and cannot be used. */
  readonly warn?: (error: unknown) => void;
  /** Nothing can be pushed or deleted. */
  readonly readOnly: boolean;
  /** Who does not say who they are may pull. */
  readonly anonymousPull: boolean;
}

const basicChallenge = 'Basic realm="whittle", charset="UTF-8"';
const nowhere: Asked = { origin: "http://localhost", isBase: false };
// bcrypt is slow on purpose; who has shown the right password is known until nothing was heard for so long.
const rememberedFor = 5 * 60 * 1000;
const mostRemembered = 1024;
// What is compared with when there is no such name, so that names cannot be found out by the time an answer takes: the
// cost is that of the first hash of the file.
function nobody(known: ReadonlyMap<string, string>): string {
  const [first = ""] = known.values();
  return `$2b$${first.slice(4, 6) || "10"}$2HDnnpLNgfinNq3EwvSl3upH8JiwkkN3.itd0QzKoTCeS8YeUgQZm`;
}

/**
 * Reads who may do what.
 *
 * @throws WhittleError `USAGE` when a line of the file is no bcrypt hash, `NOT_FOUND`, `PERMISSION`
 */
export async function openAccess(options: AccessOptions): Promise<Access> {
  const { htpasswd, warn = () => undefined } = options;
  const users = htpasswd === undefined ? undefined : await UserFile.open(htpasswd, warn);
  const passwords = new Passwords();
  const remembered = new Map<string, number>();
  // Of those who are looked at: a client that begins with many requests at once is looked at once.
  const asked = new Map<string, Promise<boolean>>();
  const secret = randomBytes(32);

  const remember = (mark: string): void => {
    if (!remembered.has(mark) && remembered.size >= mostRemembered) remembered.clear();
    remembered.set(mark, Date.now() + rememberedFor);
  };

  const isRight = async (username: string, password: string): Promise<boolean> => {
    const known = (await users?.hashes()) ?? new Map<string, string>();
    const hash = known.get(username);
    // With another hash it is another password that is right.
    const mark = createHmac("sha256", secret).update(`${username}\0${hash}\0${password}`).digest("base64");
    if ((remembered.get(mark) ?? 0) <= Date.now()) {
      const answer =
        asked.get(mark) ??
        passwords.isRight(password, hash ?? nobody(known)).finally(() => void asked.delete(mark));
      asked.set(mark, answer);
      if (!(await answer) || hash === undefined) return false;
    }
    remember(mark);
    return true;
  };

  /** Whom a name and a password belong to. */
  const named = async (authorization: string): Promise<string | undefined> => {
    const [, encoded] = /^basic\s+([A-Za-z0-9+/=]+)$/i.exec(authorization) ?? [];
    const text = Buffer.from(encoded ?? "", "base64").toString("utf8");
    const colon = text.indexOf(":");
    const user = text.slice(0, Math.max(colon, 0));
    return user !== "" && (await isRight(user, text.slice(colon + 1))) ? user : undefined;
  };

  // Clients show a password to whoever asks for one, and nothing to others. So where pulling needs none and pushing
  // does, they are sent for a token: whoever has a password shows it there, and whoever has none is nobody.
  const tokens = users !== undefined && options.anonymousPull ? new BearerTokens() : undefined;
  const refused = (why: string, asked: Asked, error?: string): Refused =>
    new Refused("UNAUTHORIZED", why, {
      "www-authenticate":
        tokens === undefined ? basicChallenge : bearerChallenge(asked.origin, asked.repository, error),
    });

  return {
    async admit(authorization, writes, asked = nowhere) {
      if (writes && options.readOnly) throw new Refused("DENIED", "this registry is read-only");
      if (users === undefined) return "";
      if (authorization === undefined) {
        if (tokens !== undefined && !writes && !asked.isBase) return "";
        throw refused("a name and a password are wanted", asked);
      }
      const [, token] = /^bearer\s+(\S+)$/i.exec(authorization) ?? [];
      if (tokens === undefined || token === undefined) {
        const user = await named(authorization);
        if (user === undefined) throw refused("the name or the password is wrong", asked);
        return user;
      }
      const user = tokens.userOf(token);
      if (user === undefined || (user !== "" && !(await users.hashes()).has(user)))
        throw refused("the token is not valid, or not any more", asked, "invalid_token");
      if (user === "" && writes)
        throw refused("a name and a password are wanted", asked, "insufficient_scope");
      return user;
    },
    async grant(authorization) {
      if (tokens === undefined) throw new Refused("NAME_UNKNOWN", "there are no tokens here");
      if (authorization === undefined) return tokens.issue("");
      const user = await named(authorization);
      if (user !== undefined) return tokens.issue(user);
      const headers = { "www-authenticate": basicChallenge };
      throw new Refused("UNAUTHORIZED", "the name or the password is wrong", headers);
    },
  };
}
