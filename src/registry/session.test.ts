import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createTcp } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import type { Credential } from "./credential.ts";
import { endpointOf } from "./endpoint.ts";
import { Session } from "./session.ts";

type Handler = (request: IncomingMessage, response: ServerResponse, body: string) => void;

/** A server, with all that it was asked. */
async function serverOf(handler: Handler): Promise<{ host: string; asked: IncomingMessage[] }> {
  const asked: IncomingMessage[] = [];
  const server: Server = createServer((request, response) => {
    asked.push(request);
    let body = "";
    request.setEncoding("utf8").on("data", (chunk: string) => {
      body += chunk;
    });
    request.on("end", () => handler(request, response, body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

const password: Credential = { kind: "password", username: "ada", password: "secret" };
const basic = `Basic ${Buffer.from("ada:secret").toString("base64")}`;
const signal = new AbortController().signal;

function open(host: string, credential: Credential | undefined, options: object = {}): Session {
  return new Session(endpointOf(host), {
    ...{ environment: {}, attempts: 3, delay: 1, credential: async () => credential },
    ...options,
  });
}

function read(session: Session, path = "a/manifests/1", scopes = ["repository:a:pull"]): Promise<number> {
  return session
    .request({ method: "GET", path, scopes, doing: "read it", expected: [200, 404], signal })
    .then(async ({ answer }) => {
      await answer.body.dump();
      return answer.statusCode;
    });
}

/** A registry that wants a token of a server of its own. */
async function guarded(
  give: (request: IncomingMessage, body: string) => { status: number; body: string },
): Promise<{ host: string; asked: IncomingMessage[]; tokens: { host: string; asked: IncomingMessage[] } }> {
  const tokens = await serverOf((request, response, body) => {
    const answer = give(request, body);
    response.writeHead(answer.status).end(answer.body);
  });
  const registry = await serverOf((request, response) => {
    if (request.headers.authorization === "Bearer good") response.writeHead(200).end("{}");
    else
      response
        .writeHead(401, {
          "www-authenticate": `Bearer realm="http://${tokens.host}/token",service="tested",scope="repository:a:pull"`,
        })
        .end('{"errors":[{"code":"UNAUTHORIZED","message":"no"}]}');
  });
  return { ...registry, tokens };
}

describe("a token", () => {
  it("is fetched once for many requests, by name and password", async () => {
    const registry = await guarded(() => ({ status: 200, body: '{"token":"good","expires_in":300}' }));
    const session = open(registry.host, password);
    await Promise.all([read(session), read(session), read(session)]);
    await read(session);
    expect(registry.tokens.asked).toHaveLength(1);
    const [asked] = registry.tokens.asked;
    expect(asked?.headers.authorization).toBe(basic);
    expect(asked?.url).toBe("/token?service=tested&scope=repository%3Aa%3Apull&account=ada");
    expect(registry.asked.at(-1)?.headers.authorization).toBe("Bearer good");
  });

  it("is fetched without a name for who has none", async () => {
    const registry = await guarded(() => ({ status: 200, body: '{"access_token":"good"}' }));
    expect(await read(open(registry.host, undefined))).toBe(200);
    expect(registry.tokens.asked[0]?.headers.authorization).toBeUndefined();
  });

  it("that is not to be had leaves the connection to the next request, and ends with no wait", async () => {
    const registry = await guarded(() => ({ status: 401, body: "{}" }));
    const session = open(registry.host, password);
    for (let time = 0; time < 3; time++) {
      await expect(read(session)).rejects.toMatchObject({ code: "REGISTRY_DENIED" });
    }
    expect(registry.asked).toHaveLength(3);
    expect(new Set(registry.asked.map(({ socket }) => socket)).size).toBe(1);
  });

  it("is given for an identity token", async () => {
    let sent = "";
    const registry = await guarded((_request, body) => {
      sent = body;
      return { status: 200, body: '{"access_token":"good"}' };
    });
    expect(await read(open(registry.host, { kind: "identity", token: "refresh" }))).toBe(200);
    expect(Object.fromEntries(new URLSearchParams(sent))).toEqual({
      ...{ grant_type: "refresh_token", client_id: "whittle", refresh_token: "refresh" },
      ...{ service: "tested", scope: "repository:a:pull" },
    });
  });

  it.each([
    ["none", 200, "{}", "REGISTRY_REFUSED"],
    ["not JSON", 200, "<html>", "REGISTRY_REFUSED"],
    ["null", 200, "null", "REGISTRY_REFUSED"],
    ["a line break", 200, '{"token":"a\\r\\nb: c"}', "REGISTRY_REFUSED"],
    ["a refusal", 401, '{"errors":[{"code":"UNAUTHORIZED","message":"no"}]}', "REGISTRY_DENIED"],
  ])("that is %s is an error", async (_what, status, body, code) => {
    const registry = await guarded(() => ({ status, body }));
    await expect(read(open(registry.host, password))).rejects.toMatchObject({ code });
  });

  it.each(["file:///etc/passwd", "ftp://tokens.example", "nowhere", ""])(
    "is not asked of %j",
    async (realm) => {
      const registry = await serverOf((_request, response) =>
        response.writeHead(401, { "www-authenticate": `Bearer realm="${realm}"` }).end(),
      );
      await expect(read(open(registry.host, password))).rejects.toMatchObject({ code: "REGISTRY_REFUSED" });
    },
  );
});

describe("a password", () => {
  it("is shown where it is asked for, and only after that", async () => {
    const registry = await serverOf((request, response) => {
      if (request.headers.authorization === basic) response.writeHead(200).end();
      else response.writeHead(401, { "www-authenticate": 'Basic realm="tested"' }).end();
    });
    const session = open(registry.host, password);
    expect(await read(session)).toBe(200);
    expect(await read(session)).toBe(200);
    expect(registry.asked.map(({ headers }) => headers.authorization)).toEqual([undefined, basic, basic]);
  });

  it("that is wrong is tried once", async () => {
    const registry = await serverOf((_request, response) =>
      response.writeHead(401, { "www-authenticate": 'Basic realm="tested"' }).end(),
    );
    await expect(read(open(registry.host, password))).rejects.toMatchObject({ code: "REGISTRY_DENIED" });
    expect(registry.asked).toHaveLength(2);
  });

  it("goes to no other origin, whatever that asks for", async () => {
    for (const challenge of ['Basic realm="x"', 'Bearer realm="http://OTHER/token",service="x"']) {
      const other = await serverOf((request, response) =>
        response
          .writeHead(401, { "www-authenticate": challenge.replace("OTHER", request.headers.host ?? "") })
          .end(),
      );
      const registry = await serverOf((request, response) => {
        if (request.headers.authorization === basic)
          response.writeHead(307, { location: `http://${other.host}/blob` }).end();
        else response.writeHead(401, { "www-authenticate": 'Basic realm="tested"' }).end();
      });
      await expect(read(open(registry.host, password))).rejects.toMatchObject({ code: "REGISTRY_DENIED" });
      expect(other.asked.length).toBeGreaterThan(0);
      expect(other.asked.every(({ headers }) => headers.authorization === undefined)).toBe(true);
      expect(other.asked.every(({ url }) => url === "/blob")).toBe(true);
    }
  });

  it("does not follow an upload to another origin", async () => {
    const other = await serverOf((_request, response) =>
      response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end(),
    );
    const registry = await serverOf((request, response) => {
      if (request.headers.authorization === basic) response.writeHead(200).end();
      else response.writeHead(401, { "www-authenticate": 'Basic realm="tested"' }).end();
    });
    const session = open(registry.host, password);
    await read(session);
    await expect(read(session, `http://${other.host}/upload`)).rejects.toMatchObject({
      code: "REGISTRY_DENIED",
      message: `Cannot read it: ${other.host}, where ${registry.host} keeps it, answers 401`,
      hint: expect.not.stringContaining("login"),
    });
    expect(other.asked.map(({ headers }) => headers.authorization)).toEqual([undefined]);
  });
});

describe("a failure", () => {
  it.each([408, 429, 500, 502, 503])("of %s passes when the next request succeeds", async (status) => {
    let left = 2;
    const registry = await serverOf((_request, response) => {
      left -= 1;
      response.writeHead(left < 0 ? 200 : status, { "retry-after": "0" }).end();
    });
    expect(await read(open(registry.host, undefined))).toBe(200);
    expect(registry.asked).toHaveLength(3);
  });

  it.each([
    ["in seconds", "61", /asks to wait 61 seconds$/],
    ["by a date", new Date(Date.now() + 7_200_000).toUTCString(), /asks to wait 7[12]\d\d seconds$/],
  ])("is not tried again before it is time, when that is far away and told %s", async (_how, after, told) => {
    const registry = await serverOf((_request, response) =>
      response.writeHead(429, { "retry-after": after }).end(),
    );
    const failed = read(open(registry.host, undefined));
    await expect(failed).rejects.toThrow(told);
    await expect(failed).rejects.toMatchObject({ code: "NETWORK", hint: expect.stringContaining("then") });
    expect(registry.asked).toHaveLength(1);
  });

  it("that lasts is told in the registry's own words", async () => {
    const registry = await serverOf((_request, response) =>
      response
        .writeHead(429)
        .end(
          '{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your \\u001b[31mpull rate limit"}]}',
        ),
    );
    const failed = read(open(registry.host, undefined));
    await expect(failed).rejects.toMatchObject({ code: "NETWORK", hint: expect.stringContaining("log in") });
    await expect(failed).rejects.toThrow(
      "Cannot read it: the server allows no more requests for now (TOOMANYREQUESTS: You have reached your  [31mpull rate limit)",
    );
  });

  it("that is final is not tried again", async () => {
    const registry = await serverOf((_request, response) =>
      response.writeHead(400).end("x".repeat(1_000_000)),
    );
    await expect(read(open(registry.host, undefined))).rejects.toMatchObject({ code: "REGISTRY_REFUSED" });
    expect(registry.asked).toHaveLength(1);
  });

  it("of a redirect to a server that nobody knows names that server", async () => {
    const registry = await serverOf((_request, response) =>
      response.writeHead(302, { location: "http://nowhere.invalid/sign-in?token=abc" }).end(),
    );
    const failed = read(open(registry.host, undefined, { attempts: 1 }));
    await expect(failed).rejects.toThrow(/: the server's name nowhere\.invalid (?:is not known|cannot)/);
  });

  it("of a port where something else listens is told", async () => {
    const other = createTcp((socket) => {
      socket.on("error", () => undefined).end("SSH-2.0-x\r\n");
    });
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void other.close());
    const host = `127.0.0.1:${(other.address() as AddressInfo).port}`;
    await expect(read(open(host, undefined))).rejects.toThrow(/the server does not speak HTTP there/);
  });

  it("of a redirect that does not end is told", async () => {
    const registry = await serverOf((_request, response) =>
      response.writeHead(302, { location: "/again" }).end(),
    );
    await expect(read(open(registry.host, undefined))).rejects.toThrow(/redirects more than 5 times/);
  });
});
