import { childOf, nameOf, type Tree, type TreePath } from "../tree/index.ts";
import type { Evidence, How } from "./need.ts";

const bundle = "/etc/ssl/certs/ca-certificates.crt";
/** Debian's OPENSSLDIR; both names in it are links into `/etc/ssl`. */
const opensslDirectory = "/usr/lib/ssl";

/**
 * What the TLS client libraries read from compiled-in places: the CA bundle for GnuTLS and OpenSSL, for OpenSSL
 * also the hashed directory (openssl-rehash(1)) and its configuration. A server links the same libraries, and
 * from outside nobody can tell the two apart: so they are kept whenever the tree has them, which it does only
 * when `ca-certificates` was asked for.
 */
export function certificatesEvidence(): Evidence {
  return {
    name: "certificates",
    async *needs(path, { tree, environment }) {
      const library = libraryOf(path);
      if (library === undefined || tree.get(path)?.type !== "file") return;
      const how: How = { kind: "package", package: "ca-certificates", what: `trusted roots for ${library}` };
      if (library === "libcrypto") {
        const what = "configuration of libcrypto";
        yield {
          path: `${opensslDirectory}/openssl.cnf`,
          how: { ...how, package: "openssl", what },
          missing: "ignore",
        };
        return;
      }
      const named = ["SSL_CERT_FILE", "SSL_CERT_DIR"].map((variable) => environment[variable] ?? "");
      const places = [bundle, `${opensslDirectory}/cert.pem`, ...hashed(tree), ...named];
      for (const place of places) {
        if (place.startsWith("/")) yield { path: place, how, missing: "ignore" };
      }
    },
  };
}

function libraryOf(path: TreePath): "libssl" | "libcrypto" | "libgnutls" | undefined {
  const name = /^lib(ssl|crypto|gnutls)\.so(?:\.|$)/.exec(nameOf(path))?.[1];
  return name === undefined ? undefined : (`lib${name}` as "libssl" | "libcrypto" | "libgnutls");
}

function hashed(tree: Tree): TreePath[] {
  const directory = tree.resolve(`${opensslDirectory}/certs`);
  if (directory.entry?.type !== "directory") return [];
  return tree
    .children(directory.path)
    .filter((name) => /^[0-9a-f]{8}\.\d+$/.test(name))
    .map((name) => childOf(`${opensslDirectory}/certs`, name));
}
