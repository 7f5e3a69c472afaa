import type { VerbContext, VerbModule } from "../verb.ts";

export const command: VerbModule = {
  define(command, run) {
    command
      .argument("[registry]", "HOST[:PORT] or HOST/team, as it was logged in to", "docker.io")
      .addHelpText("after", "\nExamples:\n  whittle logout registry.example\n  whittle logout\n")
      .action((registry: string) => run((context) => logout(registry, context)));
  },
};

async function logout(text: string, context: VerbContext): Promise<number> {
  const { parseLoginPlace, removeCredential } = await import("../../registry/index.ts");
  const { key: registry } = parseLoginPlace(text);
  const removed = await removeCredential(registry, context.environment);
  context.out(
    removed ? `Removed the credentials for ${registry}\n` : `There were no credentials for ${registry}\n`,
  );
  return removed ? 0 : 1;
}
