import { WhittleError } from "../../io/index.ts";
import type { VerbContext, VerbModule } from "../verb.ts";

interface Flags {
  readonly username?: string;
  readonly passwordStdin?: boolean;
}

/** A password of more than this is a mistake. */
const mostBytes = 64 * 1024;

export const command: VerbModule = {
  define(command, run) {
    command
      .argument(
        "[registry]",
        "HOST[:PORT], or with the beginning of a repository's name HOST/team",
        "docker.io",
      )
      .requiredOption("-u, --username <name>", "who logs in")
      .option(
        "--password-stdin",
        "read the password from standard input, which is what happens without a terminal too",
      )
      .addHelpText(
        "after",
        "\nExamples:\n  whittle login registry.example -u ada --password-stdin < password\n  whittle login -u ada\n",
      )
      .action((registry: string, flags: Flags) => run((context) => login(registry, flags, context)));
  },
};

async function login(text: string, flags: Flags, context: VerbContext): Promise<number> {
  const { checkLogin, parseLoginPlace, saveCredential } = await import("../../registry/index.ts");
  const { host, key: registry } = parseLoginPlace(text);
  const username = flags.username ?? "";
  const password = await readPassword(context);
  if (username === "" || password === "") {
    throw new WhittleError("USAGE", `Cannot log in to ${registry}: a name and a password are wanted`, {
      hint: `whittle login ${registry} -u NAME --password-stdin < FILE`,
    });
  }
  if (username.includes(":")) {
    throw new WhittleError("USAGE", `Cannot log in to ${registry}: the name has a colon`, {
      hint: "what comes before the colon is the name, and the password is read from standard input",
    });
  }
  await checkLogin(host, { username, password }, context.environment, context.signal);
  const saved = await saveCredential(registry, { username, password }, context.environment);
  const where = "helper" in saved ? `by docker-credential-${saved.helper}` : `in ${saved.path}`;
  context.out(`Logged in to ${registry} as ${username}; the password is kept ${where}\n`);
  return 0;
}

/** Reads the first line of standard input; what a person types at a terminal is not shown. */
async function readPassword(context: VerbContext): Promise<string> {
  const { stdin } = process;
  if (!stdin.isTTY) {
    let text = "";
    for await (const chunk of stdin) {
      text += String(chunk);
      if (text.length > mostBytes)
        throw new WhittleError("USAGE", "Cannot read the password: it is too long");
    }
    return text.replace(/\r?\n$/, "");
  }
  const { createInterface } = await import("node:readline/promises");
  const { Writable } = await import("node:stream");
  context.err("Password: ");
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const reader = createInterface({ input: stdin, output: silent, terminal: true });
  try {
    return await reader.question("", { signal: context.signal });
  } finally {
    reader.close();
    context.err("\n");
  }
}
