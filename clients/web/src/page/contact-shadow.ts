/**
 * A soft shadow on the floor, computed from a few spheres along the body.
 *
 * Each sphere hides cos(angle) · r²/d² of the sky (Quilez, "sphere ambient occlusion"). Computed
 * here into a small texture, it costs a fraction of a shadow map, which would skin the mesh twice.
 */
import {
  BackSide,
  DataTexture,
  LinearFilter,
  Mesh,
  MeshBasicMaterial,
  type Object3D,
  PlaneGeometry,
  Vector3,
} from "three";

/** Joint index and radius in metres. */
const SPHERES: readonly (readonly [number, number])[] = [
  [0, 0.16],
  [6, 0.16],
  [12, 0.13],
  [15, 0.13],
  [1, 0.11],
  [2, 0.11],
  [4, 0.09],
  [5, 0.09],
  [7, 0.075],
  [8, 0.075],
  [10, 0.07],
  [11, 0.07],
  [18, 0.06],
  [19, 0.06],
  [20, 0.06],
  [21, 0.06],
];
const MOST_HIDDEN = 0.6; // by one sphere, so that a foot's shadow isn't a hole
const REACH_M = 1.1; // from the pelvis
const ABOVE_FLOOR_M = 0.002;
const TEXELS = 64;
const TEXEL_M = (2 * REACH_M) / TEXELS;

export class ContactShadow {
  readonly mesh: Mesh<PlaneGeometry, MeshBasicMaterial>;
  private readonly pixels = new Uint8Array(4 * TEXELS * TEXELS); // black, only alpha changes
  private readonly texture = new DataTexture(this.pixels, TEXELS, TEXELS);
  private readonly light = new Float32Array(TEXELS * TEXELS);
  private readonly edge = edgeFade();
  private readonly at = new Vector3();

  constructor() {
    this.texture.magFilter = LinearFilter;
    this.texture.minFilter = LinearFilter;
    // Rows of the texture run along +z, so the plane is turned to have its v there too.
    const geometry = new PlaneGeometry(2 * REACH_M, 2 * REACH_M).rotateX(Math.PI / 2);
    const material = new MeshBasicMaterial({
      map: this.texture,
      transparent: true,
      depthWrite: false,
    });
    material.side = BackSide; // turned so, its back is up
    this.mesh = new Mesh(geometry, material);
  }

  /** How much of the floor's light is missing below a point of the floor; 0..1. */
  darknessAt(x: number, z: number): number {
    const column = Math.floor((x - this.mesh.position.x + REACH_M) / TEXEL_M);
    const row = Math.floor((z - this.mesh.position.z + REACH_M) / TEXEL_M);
    if (column < 0 || column >= TEXELS || row < 0 || row >= TEXELS) return 0;
    return (this.pixels[4 * (row * TEXELS + column) + 3] ?? 0) / 255;
  }

  /** Follows the bones, whose world matrices are up to date. */
  follow(bones: readonly (Object3D | null)[], strength: number): void {
    const pelvis = bones[0];
    if (!pelvis) return;
    this.at.setFromMatrixPosition(pelvis.matrixWorld);
    this.mesh.position.set(this.at.x, ABOVE_FLOOR_M, this.at.z);
    this.light.fill(1);
    for (const [joint, radius] of SPHERES) {
      const bone = bones[joint];
      if (!bone) continue;
      this.at.setFromMatrixPosition(bone.matrixWorld).sub(this.mesh.position);
      this.cast(this.at, radius * radius);
    }
    for (let i = 0; i < this.light.length; i++)
      this.pixels[4 * i + 3] = 255 * strength * (1 - this.light[i]!) * this.edge[i]!;
    this.texture.needsUpdate = true;
  }

  dispose(): void {
    this.mesh.geometry.dispose();
    this.mesh.material.dispose();
    this.texture.dispose();
  }

  private cast({ x, y, z }: Vector3, radiusSquared: number): void {
    if (y < -Math.sqrt(radiusSquared)) return; // below the floor
    const height = Math.max(y, 0.01);
    for (let row = 0; row < TEXELS; row++) {
      const dz = (row + 0.5) * TEXEL_M - REACH_M - z;
      const apart = dz * dz + height * height;
      for (let column = 0; column < TEXELS; column++) {
        const dx = (column + 0.5) * TEXEL_M - REACH_M - x;
        const squared = dx * dx + apart;
        const hidden = (height * radiusSquared) / (squared * Math.sqrt(squared));
        this.light[row * TEXELS + column]! *= 1 - Math.min(hidden, MOST_HIDDEN);
      }
    }
  }
}

/** (TEXELS²) 1 in the middle, falling to 0 before the texture's edge. */
function edgeFade(): Float32Array {
  return Float32Array.from({ length: TEXELS * TEXELS }, (_, i) => {
    const x = ((i % TEXELS) + 0.5) / (TEXELS / 2) - 1;
    const z = (Math.floor(i / TEXELS) + 0.5) / (TEXELS / 2) - 1;
    const away = Math.min(1, Math.max(0, (1 - Math.hypot(x, z)) / 0.5));
    return away * away * (3 - 2 * away);
  });
}
