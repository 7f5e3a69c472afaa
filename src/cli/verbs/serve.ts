import { readFile } from "node:fs/promises";
import { setFlagsFromString } from "node:v8";
import { explainSystemError, WhittleError } from "../../io/index.ts";
import type { Certificate, RunningRegistry } from "../../registry/index.ts";
import { widenThreadPool } from "../thread-pool.ts";
import type { VerbContext, VerbModule } from "../verb.ts";

interface Flags {
  readonly listen: string;
  readonly readOnly?: boolean;
  readonly htpasswd?: string;
  readonly anonymousPull?: boolean;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly maxBlob?: string;
  readonly maxConnections?: string;
  readonly grace?: string;
}

export const command: VerbModule = {
  define(command, run) {
    command
      .option(
        "--listen <address>",
        "HOST:PORT, or a port of this machine; port 0: any that is free",
        "127.0.0.1:5000",
      )
      .option("--read-only", "nothing can be pushed or deleted")
      .option("--htpasswd <file>", "who may use it: NAME:BCRYPT lines, as htpasswd -B writes them")
      .option("--anonymous-pull", "with --htpasswd: who does not log in may pull")
      .option("--tls-cert <file>", "certificate in PEM form, with those between it and the authority")
      .option("--tls-key <file>", "its key")
      .option("--max-blob <bytes>", "largest blob that is taken (default: 100 GiB)")
      .option("--max-connections <number>", "connections at a time (default: 4096)")
      .option("--grace <seconds>", "for what is under way when it is told to stop (default: 10)")
      .addHelpText(
        "after",
        "\nEach request is told of on standard error, as one line of JSON. /metrics and /health answer as well.\n\nExamples:\n  whittle serve\n  whittle serve --listen 0.0.0.0:5000 --tls-cert cert.pem --tls-key key.pem --htpasswd users --anonymous-pull\n",
      )
      .action((flags: Flags) => run((context) => serveStore(flags, context)));
  },
};

async function serveStore(flags: Flags, context: VerbContext): Promise<number> {
  widenThreadPool(16);
  // Nothing that a server is asked lasts. Where much is asked at once the engine would let 130 MB of it lie about before
  // it clears up; it is no slower with the few that it begins with.
  setFlagsFromString("--semi-space-growth-factor=1");
  const { serve } = await import("../../registry/index.ts");
  const tls = await certificate(flags);
  const running = await serve(await context.store(), {
    ...address(flags.listen),
    ...(flags.htpasswd === undefined ? {} : { htpasswd: flags.htpasswd }),
    readOnly: flags.readOnly === true,
    anonymousPull: flags.anonymousPull === true,
    ...(tls === undefined ? {} : { tls }),
    ...(flags.maxBlob === undefined ? {} : { maxBlob: count("--max-blob", flags.maxBlob) }),
    ...(flags.maxConnections === undefined
      ? {}
      : { maxConnections: count("--max-connections", flags.maxConnections) }),
    ...(flags.grace === undefined ? {} : { grace: count("--grace", flags.grace) * 1000 }),
    log: (line) => context.err(`${line}\n`),
  });
  const host = running.host.includes(":") ? `[${running.host}]` : running.host;
  context.out(`${tls === undefined ? "http" : "https"}://${host}:${running.port}\n`);
  const looking = tls === undefined ? undefined : renewing(flags, tls, running);
  if (!context.signal.aborted) {
    await new Promise<void>((resolve) =>
      context.signal.addEventListener("abort", () => resolve(), { once: true }),
    );
  }
  clearInterval(looking);
  await running.stop();
  return 0;
}

// Milliseconds. Certificates are renewed weeks before they end.
const lookEvery = 5_000;

/** Looks for a renewed certificate. One that cannot be used, as while only one of the files is written, is told of once. */
function renewing(flags: Flags, first: Certificate, running: RunningRegistry): NodeJS.Timeout {
  let shown = first;
  let told = "";
  const look = async (): Promise<void> => {
    try {
      const found = await certificate(flags);
      if (found === undefined || (found.cert === shown.cert && found.key === shown.key)) return;
      running.renew(found);
      shown = found;
      told = "";
    } catch (error) {
      const reason = (error as Error).message;
      if (reason !== told) running.warn(error);
      told = reason;
    }
  };
  return setInterval(() => void look(), lookEvery).unref();
}

function address(text: string): { readonly host: string; readonly port: number } {
  const [, host, port = ""] = /^(?:(.+):)?(\d{1,5})$/.exec(text) ?? [];
  if (port === "" || Number(port) > 65535) {
    throw new WhittleError("USAGE", `Cannot listen on "${text}": HOST:PORT is wanted`, {
      hint: "--listen 127.0.0.1:5000, or 0.0.0.0:5000 for every address of this machine",
    });
  }
  return { host: (host ?? "127.0.0.1").replace(/^\[(.*)\]$/, "$1"), port: Number(port) };
}

function count(option: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new WhittleError("USAGE", `Cannot use ${option} "${text}": a whole number above 0 is wanted`);
}

async function certificate(flags: Flags): Promise<Certificate | undefined> {
  const { tlsCert, tlsKey } = flags;
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined) {
    throw new WhittleError("USAGE", "Cannot use TLS: --tls-cert and --tls-key belong together");
  }
  const read = (path: string) =>
    readFile(path, "utf8").catch((error: unknown) => {
      throw explainSystemError(error, `read ${path}`);
    });
  const [cert, key] = [await read(tlsCert), await read(tlsKey)];
  await mustBelongTogether({ path: tlsCert, text: cert }, { path: tlsKey, text: key });
  return { cert, key };
}

interface PemFile {
  readonly path: string;
  readonly text: string;
}

/** Looks into the files before the server does: OpenSSL says neither which one it means nor what it wants. */
async function mustBelongTogether(cert: PemFile, key: PemFile): Promise<void> {
  const { createPrivateKey, X509Certificate } = await import("node:crypto");
  const read = <T>({ path, text }: PemFile, kind: string, parse: (text: string) => T): T => {
    try {
      return parse(text);
    } catch (cause) {
      throw new WhittleError("USAGE", `Cannot use ${path}: it is no ${kind} in PEM form`, {
        hint: "--tls-cert takes the file with BEGIN CERTIFICATE, --tls-key the one with BEGIN PRIVATE KEY, without a passphrase",
        cause,
      });
    }
  };
  const certificate = read(cert, "certificate", (text) => new X509Certificate(text));
  const privateKey = read(key, "private key", (text) => createPrivateKey(text));
  if (certificate.checkPrivateKey(privateKey)) return;
  throw new WhittleError(
    "USAGE",
    `Cannot use ${key.path}: it is not the key of the first certificate in ${cert.path}`,
    {
      hint: "the server's own certificate comes first, then those between it and the authority",
    },
  );
}
