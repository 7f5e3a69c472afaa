import { WhittleError } from "../io/index.ts";

/** What `--annotation` says, by what it is said of. */
export interface Annotations {
  readonly manifest: Readonly<Record<string, string>>;
  readonly index: Readonly<Record<string, string>>;
  /** Of a platform's manifest alone, by platform. */
  readonly platforms: ReadonlyMap<string, Readonly<Record<string, string>>>;
  /** Of the descriptors of manifests in the index. */
  readonly manifestDescriptor: Readonly<Record<string, string>>;
}

/**
 * Reads `[TYPE[,TYPE…]:]NAME=VALUE` as docker buildx does: TYPE is `manifest` (the default), `index` or
 * `manifest-descriptor`, and `manifest[PLATFORM]` means one platform.
 *
 * @throws WhittleError `USAGE`
 */
export function parseAnnotations(texts: readonly string[]): Annotations {
  const manifest: Record<string, string> = {};
  const index: Record<string, string> = {};
  const manifestDescriptor: Record<string, string> = {};
  const platforms = new Map<string, Record<string, string>>();
  for (const text of texts) {
    const { targets, name, value } = parts(text);
    for (const target of targets) {
      const platform = /^manifest\[(.+)\]$/.exec(target)?.[1];
      if (platform !== undefined) platforms.set(platform, { ...platforms.get(platform), [name]: value });
      else if (target === "manifest") manifest[name] = value;
      else if (target === "index") index[name] = value;
      else if (target === "manifest-descriptor") manifestDescriptor[name] = value;
      else throw refused(text, `"${target}" is not known`);
    }
  }
  return { manifest, index, platforms, manifestDescriptor };
}

function parts(text: string): { targets: readonly string[]; name: string; value: string } {
  const equals = text.indexOf("=");
  const before = text.slice(0, Math.max(equals, 0));
  const prefix = /^((?:[a-z-]+(?:\[[^\]]*\])?)(?:,[a-z-]+(?:\[[^\]]*\])?)*):(.+)$/.exec(before);
  const name = prefix?.[2] ?? before;
  if (name === "") throw refused(text, "it has no name");
  return { targets: prefix?.[1]?.split(",") ?? ["manifest"], name, value: text.slice(equals + 1) };
}

function refused(text: string, found: string): WhittleError {
  return new WhittleError(
    "USAGE",
    `Cannot use --annotation "${text}": ${found}, [manifest|index|manifest-descriptor[,…]:]NAME=VALUE is wanted`,
  );
}
