import { join } from "node:path";
import { attempt, root, say, whittle } from "../program.ts";
import { answering, probes, type Running, remove, start } from "./container.ts";
import { build, check, referenceOf, type Variant } from "./variant.ts";

const example = "recipes";
const database = "recipes-db:example";
const superuser = { name: "ada", password: "a long enough phrase" };
const settings = {
  DJANGO_SECRET_KEY: "for-this-run-only",
  DJANGO_ALLOWED_HOSTS: "127.0.0.1,localhost",
  POSTGRES_HOST: "db",
  POSTGRES_DB: "recipes",
  POSTGRES_USER: "recipes",
  POSTGRES_PASSWORD: "for-this-run-only",
};
const environment = Object.entries(settings).flatMap(([name, value]) => ["-e", `${name}=${value}`]);

/** Which interpreter an image has: those without a shell look nothing up. */
const interpreters: Readonly<Record<string, string>> = {
  single: "python",
  multistage: "python",
  distroless: "/usr/bin/python3",
  scratch: "/usr/bin/python3",
};

/** Each way to package the application, run with a database of its own. */
export async function recipes(): Promise<Variant[]> {
  check(example, "test");
  whittle(["build", join(root, "bases/postgres"), "-t", database]);
  const variants: Variant[] = [];
  for (const [image, interpreter] of Object.entries(interpreters)) {
    variants.push(build(example, image));
    await journey(image, interpreter);
  }
  return variants;
}

/** Migrates, makes a superuser, signs in, writes a recipe, and finds it again after both containers were restarted. */
async function journey(image: string, interpreter: string): Promise<void> {
  const pod = `recipes-${image}-${process.pid}`;
  const [db, web] = [`db-${pod}`, `web-${pod}`];
  const volumes = [`${pod}-db`, `${pod}-media`];
  const startDatabase = () =>
    whittle([
      ...[
        "run",
        "-d",
        "--pod",
        pod,
        "--name",
        db,
        "--hostname",
        "db",
        "--network-alias",
        "db",
        ...environment,
      ],
      ...["-v", `${volumes[0]}:/var/lib/postgresql/data`, database],
    ]);
  const startWeb = () =>
    start(referenceOf(example, image), web, 8000, [
      ...["--pod", pod, "--tmpfs", "/tmp", ...environment, "-v", `${volumes[1]}:/data`],
    ]);
  const manage = (words: readonly string[], variables: readonly string[] = []) =>
    whittle(["exec", ...variables, web, interpreter, "manage.py", ...words]);
  try {
    startDatabase();
    let running = await startWeb();
    await databaseAnswers(running);
    manage(["migrate", "--no-input"]);
    manage(
      ["createsuperuser", "--no-input", "--username", superuser.name, "--email", "ada@localhost"],
      ["-e", `DJANGO_SUPERUSER_PASSWORD=${superuser.password}`],
    );
    await probes(example, image, running);
    await write(running, "Toast");
    remove(web, db);
    startDatabase();
    running = await startWeb();
    await databaseAnswers(running);
    if (!(await (await fetch(`${running.address}/?q=Toast`)).text()).includes("Toast</h2>")) {
      throw new Error(`the recipe is gone after a restart of ${image} and its database`);
    }
    say(`  ✓ ${image}: migrated, signed in, wrote a recipe, found it again after a restart of both`);
  } finally {
    remove(web, db);
    for (const volume of volumes) attempt(["volume", "rm", volume]);
  }
}

/** PostgreSQL makes its files on the first start, which takes some seconds. */
async function databaseAnswers(running: Running): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const answer = await fetch(`${running.address}/healthz`).catch(() => undefined);
    if (answer?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 300));
    await answering(running);
  }
  throw new Error(`the database does not answer\n${attempt(["logs", running.name]).stdout}`);
}

/** Signs in as a browser would, and writes a recipe. */
async function write({ address }: Running, title: string): Promise<void> {
  const cookies = new Map<string, string>();
  const ask = async (path: string, fields?: Readonly<Record<string, string>>) => {
    const answer = await fetch(address + path, {
      redirect: "manual",
      headers: {
        cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join("; "),
        referer: address,
      },
      ...(fields === undefined ? {} : { method: "POST", body: new URLSearchParams(fields) }),
    });
    for (const cookie of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      if (name !== undefined && value !== undefined) cookies.set(name, value);
    }
    return { status: answer.status, text: await answer.text() };
  };
  const token = (page: string) => /name="csrfmiddlewaretoken" value="([^"]+)"/.exec(page)?.[1] ?? "";
  const login = "/accounts/login/";
  const signedIn = await ask(login, {
    csrfmiddlewaretoken: token((await ask(login)).text),
    username: superuser.name,
    password: superuser.password,
  });
  if (signedIn.status !== 302) throw new Error(`signing in was answered with ${signedIn.status}`);
  if ((await ask("/admin/recipes/recipe/")).status !== 200)
    throw new Error("the administration does not open");
  const written = await ask("/recipes/new/", {
    csrfmiddlewaretoken: token((await ask("/recipes/new/")).text),
    ...{ title, ingredients: "Bread", steps: "Toast it", minutes: "5", servings: "1" },
  });
  if (written.status !== 302) throw new Error(`writing a recipe was answered with ${written.status}`);
}
