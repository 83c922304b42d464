/** An avatar of the user's own from the bytes of a VRM or GLB file. Loaded only when one is chosen. */
import { type VRM, VRMLoaderPlugin, VRMUtils } from "@pixiv/three-vrm";
import { GLTFLoader } from "three/examples/jsm/loaders/GLTFLoader.js";
import type { Figure } from "./figure";
import { GlbPuppet } from "./glb-puppet";
import { VrmPuppet } from "./vrm-puppet";

/** How an avatar was understood, in words. */
export interface Puppet {
  figure: Figure;
  kind: string;
}

const GLB_MAGIC = 0x46546c67; // "glTF"
const KINDS = { smpl: "SMPL", vrm: "VRM", mixamo: "Mixamo", manny: "Manny" };

/** @throws Error saying why the file can't be worn. */
export async function loadPuppet(bytes: ArrayBuffer): Promise<Puppet> {
  if (bytes.byteLength < 4 || new DataView(bytes).getUint32(0, true) !== GLB_MAGIC)
    throw new Error("it is neither a VRM nor a GLB file");
  const loader = new GLTFLoader();
  loader.register((parser) => new VRMLoaderPlugin(parser));
  const gltf = await loader.parseAsync(bytes, "").catch((error: unknown) => {
    throw new Error(`it is not a VRM or GLB file that this page reads (${reason(error)})`);
  });
  const vrm = gltf.userData["vrm"] as VRM | undefined;
  if (vrm) {
    VRMUtils.removeUnnecessaryVertices(gltf.scene);
    return { figure: new VrmPuppet(vrm), kind: `VRM ${vrm.meta.metaVersion}` };
  }
  const figure = new GlbPuppet(gltf.scene);
  return { figure, kind: `${KINDS[figure.convention]} bones` };
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
