import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { WhittleError } from "../io/index.ts";
import { readFileName } from "./file-name.ts";
import { routesOf } from "./routes.ts";

/** Routes as lines: `PATH: METHOD STATUS FILE, …`. */
const shown = (...files: string[]): string[] =>
  routesOf(files).map(({ path, answers, redirect }) => {
    const said = answers.map(({ method, status, file }) => `${method} ${status} ${file}`);
    return `${path}: ${[...said, ...(redirect === undefined ? [] : [`-> ${redirect}`])].join(", ")}`;
  });

const refusal = (...files: string[]): string => {
  try {
    routesOf(files);
  } catch (error) {
    expect(error).toBeInstanceOf(WhittleError);
    expect((error as WhittleError).code).toBe("SIMULATE_INVALID");
    return (error as WhittleError).message;
  }
  return "accepted";
};

describe("routesOf", () => {
  it("gives a JSON file its name with and without the extension", () => {
    expect(shown("users.json", "a/b.c.json")).toEqual([
      "/a/b.c: GET 200 a/b.c.json",
      "/a/b.c.json: GET 200 a/b.c.json",
      "/users: GET 200 users.json",
      "/users.json: GET 200 users.json",
    ]);
  });

  it("gives an index its directory, and the directory's name without a slash a redirection", () => {
    expect(shown("users/index.json")).toEqual([
      "/users: -> /users/",
      "/users/: GET 200 users/index.json",
      "/users/index: GET 200 users/index.json",
      "/users/index.json: GET 200 users/index.json",
    ]);
    expect(shown("index.html")).toEqual(["/: GET 200 index.html", "/index.html: GET 200 index.html"]);
  });

  it("keeps /users and /users/ apart", () => {
    expect(shown("users.json", "users/index.json").slice(0, 2)).toEqual([
      "/users: GET 200 users.json",
      "/users.json: GET 200 users.json",
    ]);
  });

  it("reads method and status from the name", () => {
    expect(shown("u.json", "u.POST.201.json", "u/1.DELETE.204.json", "ping.POST.202")).toEqual([
      "/ping: POST 202 ping.POST.202",
      "/u: GET 200 u.json, POST 201 u.POST.201.json",
      "/u.json: GET 200 u.json, POST 201 u.POST.201.json",
      "/u/1: DELETE 204 u/1.DELETE.204.json",
      "/u/1.json: DELETE 204 u/1.DELETE.204.json",
    ]);
    expect(routesOf(["u.POST.201.json"])[0]?.allow).toBe("OPTIONS, POST");
    expect(routesOf(["u.json"])[0]?.allow).toBe("GET, HEAD, OPTIONS");
  });

  it("takes what only looks like a method for a plain name", () => {
    expect(shown("report.v.200.json")).toEqual([
      "/report.v.200: GET 200 report.v.200.json",
      "/report.v.200.json: GET 200 report.v.200.json",
    ]);
  });

  it.each([
    [["u.FETCH.200.json"], /FETCH is not one of GET, POST, PUT, PATCH, DELETE/],
    [["u.post.201.json"], /post is not one of/],
    [["u.HEAD.200.json"], /HEAD is not one of/],
    [["u.POST.099.json"], /099 is not the status of an answer/],
    [["u.POST.302.json"], /302 is a redirection/],
    [["u?.json"], /question mark/],
    [["u\n.json"], /control character/],
    [["\ufffd.json"], /not UTF-8/],
    [["u.POST.201.json", "u.POST.409.json"], /both answer POST \/u\b/],
    [["u.json", "u.GET.404.json"], /both answer GET \/u\b/],
    [["u", "u.json"], /"u" and "u.json" both answer GET \/u\b/],
    [["index.html", "index.json"], /both answer GET \//],
  ])("refuses %j with a clear word", (files, message) => {
    expect(refusal(...files)).toMatch(message);
  });

  it("shows only the first few of many problems", () => {
    expect(refusal(...Array.from({ length: 9 }, (_, i) => `${i}?`))).toMatch(/and 4 more/);
  });

  it("answers for every file, whatever it is called", () => {
    const part = fc
      .string({ unit: "grapheme", minLength: 1, maxLength: 9 })
      .filter((text) => !/[/?]|^\./.test(text));
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 3 }), (parts) => {
        const file = parts.join("/");
        const answer = readFileName(file);
        if (typeof answer === "string") return;
        expect(answer.file).toBe(file);
        expect(answer.paths.length).toBeGreaterThan(0);
        for (const path of answer.paths) expect(path).toMatch(/^\//);
      }),
    );
  });
});
