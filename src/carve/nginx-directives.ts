import type { Directive } from "./nginx-syntax.ts";

/** A path that a directive names, and what nginx does with it. */
export interface Place {
  readonly path: string;
  /**
   * `file`: reads it. `tree`: serves all below it. `include`: a pattern of configuration files. `written`: makes
   * it or writes to it, and needs the directory above.
   */
  readonly as: "file" | "tree" | "include" | "written";
}

/** Directives whose first argument is a file that has to be there. */
const files = new Set([
  "auth_basic_user_file",
  "fastcgi_param_file",
  "geoip_city",
  "geoip_country",
  "geoip_org",
  "js_import",
  "load_module",
  "perl_modules",
  "perl_require",
  "ssl_certificate",
  "ssl_certificate_key",
  "ssl_client_certificate",
  "ssl_crl",
  "ssl_dhparam",
  "ssl_password_file",
  "ssl_session_ticket_key",
  "ssl_stapling_file",
  "ssl_trusted_certificate",
  "xslt_stylesheet",
  "xml_entities",
]);

const upstream =
  /^(?:proxy|uwsgi|grpc)_(ssl_(?:certificate|certificate_key|crl|password_file|trusted_certificate))$/;
const temporary = /^(?:client_body|proxy|fastcgi|uwsgi|scgi)_temp_path$/;
const caches = /^(?:proxy|fastcgi|uwsgi|scgi)_cache_path$/;

/** The paths that a directive names (nginx.org, "Alphabetical index of directives"); none for most of them. */
export function placesOf(directive: Directive): Place[] {
  const { name } = directive;
  const [first] = directive.arguments;
  if (first === undefined) return [];
  if (name === "include") return [{ path: first, as: "include" }];
  if (name === "root" || name === "alias") return [{ path: first, as: "tree" }];
  if (temporary.test(name) || caches.test(name) || name === "pid" || name === "lock_file") {
    return [{ path: first, as: "written" }];
  }
  if (name === "access_log" || name === "error_log") return logPlaces(first);
  // Names only: nginx looks up even what would be a number.
  if (name === "user") return ["/etc/passwd", "/etc/group"].map((path) => ({ path, as: "file" }));
  if (files.has(name) || upstream.test(name)) {
    // OpenSSL engines and in-memory keys are named in place of a file.
    return /^(?:engine|data|store):/.test(first) ? [] : [{ path: first, as: "file" }];
  }
  return [];
}

function logPlaces(target: string): Place[] {
  if (target === "off" || target === "stderr" || /^(?:syslog|memory):/.test(target)) return [];
  return [{ path: target, as: "written" }];
}
