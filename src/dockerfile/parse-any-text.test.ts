import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { WhittleError } from "../io/index.ts";
import { parseDockerfile, parseTrigger } from "./parse.ts";
import { readMounts } from "./read-run.ts";

describe("the parser", () => {
  const piece = fc.constantFrom(
    "FROM a",
    "RUN ",
    "COPY ",
    "ENV ",
    "LABEL ",
    "ARG ",
    "HEALTHCHECK ",
    "CMD",
    "ONBUILD ",
    "SHELL ",
    "VOLUME ",
    "EXPOSE ",
    "\n",
    "\n",
    "\\\n",
    "\\",
    "`",
    "<<EOF",
    "<<-",
    "EOF\n",
    "--mount=type=cache",
    "--",
    "--from=",
    " ",
    "\t",
    '"',
    "'",
    "[",
    "]",
    ",",
    "=",
    "$",
    "${",
    "}",
    "#",
    "# escape=`\n",
    "\r\n",
    "\uFEFF",
    "é",
    "💥",
    "\ud800",
    "a",
    "1s",
    "\0",
    "\u0085",
  );

  it("reads any text, or says what is wrong with it", () => {
    const text = fc.oneof(
      fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join("")),
      fc.array(piece, { maxLength: 40 }).map((pieces) => `FROM a\n${pieces.join("")}`),
      fc.string({ unit: "binary" }),
    );
    fc.assert(
      fc.property(text, (source) => {
        try {
          const { stages } = parseDockerfile(source, "D");
          for (const instruction of stages.flatMap((stage) => stage.instructions)) {
            if (instruction.kind === "run") readMounts(instruction);
            if (instruction.kind === "onbuild") parseTrigger(instruction.expression, instruction.place);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(WhittleError);
          expect(error).toMatchObject({ code: "DOCKERFILE_INVALID" });
        }
      }),
      { numRuns: 3000 },
    );
  });

  const name = fc.stringMatching(/^[a-zA-Z_][a-zA-Z0-9_]{0,8}$/);
  const word = fc.stringMatching(/^[a-zA-Z0-9/._$-]{1,10}$/).filter((text) => !/^(?:--|#|<<)/.test(text));
  const argv = fc.array(fc.string({ unit: "grapheme" }), { maxLength: 4 });
  const line: fc.Arbitrary<readonly [string, object]> = fc.oneof(
    argv.map(
      (words) =>
        [`CMD ${JSON.stringify(words)}`, { kind: "cmd", command: { form: "exec", argv: words } }] as const,
    ),
    fc
      .array(fc.tuple(name, word), { minLength: 1, maxLength: 3 })
      .map(
        (pairs) =>
          [
            `ENV ${pairs.map(([key, value]) => `${key}=${value}`).join(" ")}`,
            { kind: "env", pairs },
          ] as const,
      ),
    fc
      .tuple(fc.array(word, { minLength: 1, maxLength: 3 }), word, fc.boolean())
      .map(
        ([sources, destination, link]) =>
          [
            `COPY --link=${link} ${sources.join(" \\\n ")} ${destination}`,
            { kind: "copy", sources: sources.map((path) => ({ kind: "path", path })), destination, link },
          ] as const,
      ),
    fc.tuple(name, fc.array(word, { maxLength: 3 })).map(([mark, lines]) => {
      const content = lines.map((text) => `${text} x\n`).join("");
      return [
        `RUN <<${mark}\n${content}${mark}`,
        { kind: "run", command: { heredocs: [{ name: mark, content }] } },
      ] as const;
    }),
    word.map((path) => [`WORKDIR ${path}`, { kind: "workdir", path }] as const),
  );

  it("gives back what was written", () => {
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 8 }),
        fc.constantFrom("\n", "\n\n# comment\n"),
        (lines, between) => {
          const source = ["FROM scratch", ...lines.map(([text]) => text)].join(between);
          const [stage] = parseDockerfile(source, "D").stages;
          expect(stage?.instructions).toMatchObject(lines.map(([, instruction]) => instruction));
        },
      ),
    );
  });

  it("takes no more than its time for texts made to slow it down", () => {
    const hostile = [
      `RUN ${"\\\n".repeat(100_000)}x`,
      `RUN <<${" ".repeat(60_000)}<`,
      `ENV ${"a=b ".repeat(16_000)}`,
      `RUN ${"<<".repeat(30_000)}`,
      `CMD ${"[".repeat(60_000)}`,
      `ENV a ${"\\ ".repeat(30_000)}`,
      `${"ONBUILD ".repeat(8_000)}RUN x`,
      `RUN ${"--mount=a ".repeat(6_000)}`,
      ` ${" ".repeat(65_000)}`,
    ];
    for (const text of hostile) {
      try {
        parseDockerfile(`FROM a\n${text}`, "D");
      } catch (error) {
        expect(error).toBeInstanceOf(WhittleError);
      }
    }
  });
});
