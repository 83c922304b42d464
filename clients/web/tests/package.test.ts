import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import type * as Client from "../src/client/index";
import { bytes, json } from "./golden";

const ROOT = join(import.meta.dirname, "..");

test(
  "the package is compiled alone and works where it is imported",
  { timeout: 120_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "genmo-client-"));
    try {
      const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
      const flags = ["-p", join(ROOT, "tsconfig.package.json"), "--outDir", join(folder, "dist")];
      execFileSync(process.execPath, [tsc, ...flags], { cwd: ROOT });
      const said = readFileSync(join(ROOT, "package.json"), "utf8");
      writeFileSync(join(folder, "package.json"), said);
      const entry = (JSON.parse(said) as { exports: { ".": Record<string, string> } }).exports["."];
      expect(readFileSync(join(folder, entry["types"]!), "utf8")).toContain("GenmoClient");
      const address = pathToFileURL(join(folder, entry["default"]!)).href;
      const client = (await import(/* @vite-ignore */ address)) as typeof Client;
      const pose = client.decodePose(bytes("poses/t_pose.smpl.bin"));
      expect(pose.seq).toBe(json<{ seq: number }>("poses/t_pose.smpl.json").seq);
      expect(new client.GenmoClient("http://host/poses", { worker: false }).sample()).toBeNull();
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);

test("the package needs nothing else", () => {
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    dependencies?: object;
  };
  expect(dependencies).toBeUndefined();
});
