/** The skinned body of one person, fetched from the server as a .glb for a shape. */
import { type Bone, type Object3D, SkinnedMesh } from "three";
import { GLTFLoader } from "three/examples/jsm/loaders/GLTFLoader.js";
import { JOINT_NAMES } from "../client/pose";
import { Problem } from "../client/problem";

export interface BodyModel {
  root: Object3D;
  meshes: SkinnedMesh[];
  /** In the order of JOINT_NAMES. */
  bones: Bone[];
}

/**
 * Fetches the body.
 *
 * @param shape the body's own coefficients; empty for its mean.
 * @throws Problem when the server has none; Error when the file isn't a body with our 24 joints.
 */
export async function loadBody(
  address: URL,
  shape: readonly number[],
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<BodyModel> {
  const url = new URL(address);
  if (shape.length > 0) url.searchParams.set("shape", shape.map((s) => s.toFixed(3)).join(","));
  const answer = await fetch(url, { headers, signal });
  if (!answer.ok) throw await Problem.from(answer);
  const { scene } = await new GLTFLoader().parseAsync(await answer.arrayBuffer(), "");
  return bodyOf(scene);
}

function bodyOf(root: Object3D): BodyModel {
  const bones = JOINT_NAMES.map((name) => {
    const bone = root.getObjectByName(name);
    if (!bone) throw new Error(`the body has no joint ${name}`);
    return bone as Bone;
  });
  const meshes: SkinnedMesh[] = [];
  root.traverse((node) => {
    if (node instanceof SkinnedMesh) meshes.push(node);
  });
  if (meshes.length === 0) throw new Error("the body has no skinned mesh");
  for (const mesh of meshes) {
    mesh.frustumCulled = false; // bones carry it far from where its bounds were computed
    if (!mesh.geometry.hasAttribute("normal")) mesh.geometry.computeVertexNormals();
  }
  return { root, meshes, bones };
}
