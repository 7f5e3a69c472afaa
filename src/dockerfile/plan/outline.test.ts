import { describe, expect, it } from "vitest";
import { violationsOf } from "../checks/violations-fixture.ts";

// BuildKit's own examples (frontend/dockerfile, testOutlineArgs and testOutlineSecrets).
describe("the outline of a target", () => {
  it("has the arguments of the stages that it needs, and the global ones that those look up", async () => {
    const source = `ARG inherited=box
ARG inherited2=box2
ARG unused=abc\${inherited2}
# sfx is a suffix
ARG sfx="usy\${inherited}"

FROM b\${sfx} AS first
# this is not assigned to anything
ARG FOO=123
# BAR is a number
ARG BAR=456
RUN true

FROM alpine\${unused} AS second
ARG BAZ
RUN true

FROM scratch AS third
ARG ABC=a

# target defines build target
FROM third AS target
COPY --from=first /etc/passwd /

FROM second
`;
    const { outline } = await violationsOf(source, { target: "target", arguments: { BAR: "678" } });
    expect(outline).toEqual({
      name: "target",
      description: "defines build target",
      arguments: [
        { name: "inherited", value: "box", line: 1 },
        { name: "sfx", description: "is a suffix", value: "usybox", line: 5 },
        { name: "FOO", value: "123", line: 9 },
        { name: "BAR", description: "is a number", value: "678", line: 11 },
        { name: "ABC", value: "a", line: 19 },
      ],
      secrets: [],
      agents: [],
    });
  });

  it("has secrets and agents", async () => {
    const source = `
FROM busybox AS first
RUN --mount=type=secret,target=/etc/passwd,required=true --mount=type=ssh true

FROM alpine AS second
RUN --mount=type=secret,id=unused --mount=type=ssh,id=ssh2 true

FROM scratch AS third
ARG BAR
RUN --mount=type=secret,id=second\${BAR} true

FROM third AS target
COPY --from=first /foo /
RUN --mount=type=ssh,id=ssh3,required true

FROM second
`;
    const { outline } = await violationsOf(source, { target: "target", arguments: { BAR: "678" } });
    expect(outline).toMatchObject({
      secrets: [
        { name: "passwd", required: true, line: 3 },
        { name: "second678", required: false, line: 10 },
      ],
      agents: [
        { name: "default", required: false, line: 3 },
        { name: "ssh3", required: true, line: 14 },
      ],
    });
  });

  it("takes a description from any line of the comments above, and what the target says before others", async () => {
    const source =
      "# V is old\n\n# and so on\nARG V=1\n# W\nARG W\nFROM $V AS a\n# made from it\n# b is made\nFROM a AS b\nARG V W=2\nFROM b\nARG W=3 TARGETOS HTTP_PROXY\n";
    const { outline } = await violationsOf(source);
    expect(outline).toEqual({
      arguments: [
        { name: "V", description: "is old", value: "1", line: 4 },
        { name: "W", value: "3", line: 13 },
        { name: "HTTP_PROXY", line: 13 },
      ],
      secrets: [],
      agents: [],
    });
    expect((await violationsOf(source, { target: "b" })).outline).toMatchObject({ description: "is made" });
  });
});
