import { mediaTypesOf } from "./media-types.ts";
import { problemTitles } from "./problems.ts";
import type { Route } from "./routes.ts";

/** Where things are in the image. */
export const places = {
  configuration: "/etc/nginx/nginx.conf",
  bodies: "/srv/api",
  problems: "/srv/problems",
  pid: "/run/nginx/nginx.pid",
  temporary: "/run/nginx/temp",
} as const;

/** What the configuration is made from. */
export interface ServerPlan {
  readonly routes: readonly Route[];
  readonly files: readonly string[];
  readonly port: number;
}

/** The whole nginx configuration. It depends on the names of the files, never on what is in them. */
export function nginxConf(plan: ServerPlan): string {
  const codes = statusCodes(plan.routes);
  const text = [
    head,
    http(plan),
    server(plan, codes),
    ...plan.routes.map((route) => location(route, codes)),
    plan.routes.some(({ path }) => path === "/healthz") ? "" : health,
    tail,
  ];
  return `${text.filter((part) => part !== "").join("\n\n")}\n`;
}

const head = `# Written by Whittle from the names of the files in ${places.bodies}.

daemon off;
# A master and one worker. Without a master, SIGQUIT would cut off answers that are on their way.
worker_processes 1;
worker_rlimit_nofile 4096;
# The pid file is a link to /dev/null, and nothing else is written: it all works on a read-only file system,
# where the one complaint at the end would be that the pid file cannot be removed. Hence emerg, here only.
pid ${places.pid};
error_log stderr emerg;

events {
    worker_connections 1024;
}`;

function http({ files }: ServerPlan): string {
  const types = [...mediaTypesOf(files)].map(
    ([type, extensions]) => `        ${type} ${extensions.join(" ")};`,
  );
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  const dollar = files.some((file) => file.includes("$"))
    ? `\n\n    # A dollar sign in a file's name: no other word can hold one.\n    geo $dollar {\n        default "$";\n    }`
    : "";
  return `http {
    error_log stderr warn;
    access_log /dev/stdout;
    log_not_found off;
    server_tokens off;

    # Made at the start if missing, and never written to: bodies of requests are not kept.
${temporary.map((name) => `    ${name}_temp_path ${places.temporary};`).join("\n")}
    client_max_body_size 0;

    default_type application/octet-stream;
    types {
${types.join("\n")}
    }
    charset utf-8;
    charset_types text/plain text/css text/csv text/markdown text/javascript text/calendar;

    sendfile on;
    tcp_nopush on;
    open_file_cache max=1024;
    open_file_cache_valid 1h;

    # Compressed forms lie beside their originals.
    gzip_static on;
    gzip_vary on;
    gzip_proxied any;

    # ETag and Last-Modified come from a file's time and size; its time is made from its bytes.
    etag on;
    if_modified_since exact;

    # What the headers say: Allow where it is asked for or wanted, the rest of CORS in answers to OPTIONS.
    uninitialized_variable_warn off;
    map $methods $allowed {
        "" "GET, HEAD, OPTIONS";
        default $methods;
    }
    map "$request_method $status" $allow {
        "OPTIONS 204" $allowed;
        "~ 405$" $allowed;
    }
    map "$request_method $status" $cors_methods {
        "OPTIONS 204" $allowed;
    }
    map "$request_method $status" $cors_headers {
        "OPTIONS 204" $http_access_control_request_headers;
    }
    map "$request_method $status" $cors_age {
        "OPTIONS 204" 86400;
    }${dollar}`;
}

function server({ port }: ServerPlan, codes: ReadonlyMap<number, number>): string {
  const answers = [...codes].map(([status, code]) => `        error_page ${code} =${status} $answer;`);
  const problems = Object.keys(problemTitles).map(
    (status) => `        error_page ${status} /.problem/${status}.json;`,
  );
  const chosen =
    answers.length === 0
      ? ""
      : `

        # nginx sends files for GET and HEAD only. A location that answers otherwise names the file and returns
        # one of these codes, which no client ever sees.
${answers.join("\n")}
        location ^~ /.answer/ {
            internal;
            alias ${places.bodies}/;
            etag off;
            add_header Last-Modified "";
            include ${headersFile};
        }`;
  return `    server {
        listen ${port} backlog=1024;
        root ${places.bodies};
        absolute_redirect off;
        include ${headersFile};

${problems.join("\n")}
        location ^~ /.problem/ {
            internal;
            alias ${places.problems}/;
            types {
            }
            default_type application/problem+json;
            gzip_static off;
            etag off;
            add_header Last-Modified "";
            include ${headersFile};
        }${chosen}

        location / {
            set $methods "";
            return 404;
        }`;
}

/** Headers of every answer, in a file of their own: a location that adds one more header inherits none. */
export const headersFile = "/etc/nginx/headers.conf";

/** What {@link headersFile} holds. */
export const headersConf = `add_header Allow $allow always;
add_header Access-Control-Allow-Origin * always;
add_header Access-Control-Allow-Methods $cors_methods always;
add_header Access-Control-Allow-Headers $cors_headers always;
add_header Access-Control-Max-Age $cors_age always;
add_header Access-Control-Expose-Headers "Allow, ETag" always;
add_header Cache-Control no-cache always;
add_header X-Content-Type-Options nosniff always;
`;

const health = `        location = /healthz {
            access_log off;
            default_type application/json;
            set $methods "GET, HEAD, OPTIONS";
            if ($request_method = OPTIONS) { return 204; }
            if ($request_method !~ ^(?:GET|HEAD)$) { return 405; }
            return 200 '{"status":"ok"}\\n';
        }`;

const tail = `    }
}`;

/** Answers that have no body (RFC 9110, 15.3.5 and 15.3.6). */
function isBodiless(status: number): boolean {
  return status === 204 || status === 205;
}

/** A code that stands for each status that a file is sent with otherwise than by GET with 200. */
function statusCodes(routes: readonly Route[]): Map<number, number> {
  const statuses = new Set<number>();
  for (const { answers } of routes) {
    for (const { method, status } of answers) {
      if (!isBodiless(status) && !(method === "GET" && status === 200)) statuses.add(status);
    }
  }
  // nginx uses 494 to 499 itself, and knows nothing above 599.
  const free = [...range(460, 494), ...range(510, 600), ...range(432, 444), ...range(300, 400)];
  return new Map([...statuses].sort((a, b) => a - b).map((status, index) => [status, free[index] ?? 599]));
}

function location(route: Route, codes: ReadonlyMap<number, number>): string {
  const get = route.answers.find(({ method }) => method === "GET");
  const others = route.answers.filter(({ method }) => method !== "GET");
  const lines = [
    `set $methods "${route.allow}";`,
    ...when("= OPTIONS", ["return 204;"]),
    ...others.flatMap((answer) => when(`= ${answer.method}`, answering(answer, codes))),
  ];
  if (get === undefined && route.redirect === undefined) lines.push("return 405;");
  else {
    lines.push(...when("!~ ^(?:GET|HEAD)$", ["return 405;"]));
    if (route.redirect !== undefined) lines.push(`return 308 "${encoded(route.redirect)}$is_args$args";`);
    else if (get !== undefined)
      lines.push(
        ...(get.status === 200 ? [`try_files ${quoted(`/${get.file}`)} =404;`] : answering(get, codes)),
      );
  }
  return [
    `        location = ${literal(route.path)} {`,
    ...lines.map((line) => `            ${line}`),
    "        }",
  ].join("\n");
}

function when(condition: string, lines: readonly string[]): string[] {
  return [`if ($request_method ${condition}) { ${lines.join(" ")} }`];
}

function answering({ status, file }: Route["answers"][number], codes: ReadonlyMap<number, number>): string[] {
  if (isBodiless(status)) return [`return ${status};`];
  return [`set $answer ${quoted(`/.answer/${file}`)};`, `return ${codes.get(status) ?? 500};`];
}

/** A path as an address has it; what RFC 3986 leaves to choose is encoded. */
function encoded(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

/** A word of nginx's configuration that stands for itself. */
function literal(text: string): string {
  return /^[\w/.~@+,-]+$/.test(text) ? text : `"${text.replace(/["\\]/g, "\\$&")}"`;
}

/** A word in which nginx would look for variables. */
function quoted(text: string): string {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: nginx's own way to write a variable
  return literal(text).replaceAll("$", () => "${dollar}");
}
