/**
 * A soft shadow on the floor, computed from a few spheres along the body.
 *
 * Cheaper than a shadow map, which would skin the mesh a second time, and soft by nature: each
 * sphere hides cos(angle) · r²/d² of the sky (Quilez, "sphere ambient occlusion").
 */
import { type Bone, CircleGeometry, Mesh, ShaderMaterial, Vector3, Vector4 } from "three";

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
const RADIUS_M = 1.2;
const ABOVE_FLOOR_M = 0.002;

export class ContactShadow {
  readonly mesh: Mesh<CircleGeometry, ShaderMaterial>;
  private readonly spheres = SPHERES.map(([, radius]) => new Vector4(0, 1, 0, radius));
  private readonly position = new Vector3();

  constructor() {
    const geometry = new CircleGeometry(RADIUS_M, 40).rotateX(-Math.PI / 2);
    const material = new ShaderMaterial({
      transparent: true,
      depthWrite: false,
      uniforms: { spheres: { value: this.spheres }, strength: { value: 1 } },
      vertexShader: VERTEX,
      fragmentShader: FRAGMENT,
    });
    this.mesh = new Mesh(geometry, material);
  }

  /** Follows the bones; their world matrices are up to date. */
  follow(bones: readonly Bone[], strength: number): void {
    SPHERES.forEach(([joint], i) => {
      const bone = bones[joint];
      const sphere = this.spheres[i];
      if (!bone || !sphere) return;
      this.position.setFromMatrixPosition(bone.matrixWorld);
      sphere.set(this.position.x, this.position.y, this.position.z, sphere.w);
      if (i === 0) this.mesh.position.set(this.position.x, ABOVE_FLOOR_M, this.position.z);
    });
    const uniform = this.mesh.material.uniforms["strength"];
    if (uniform) uniform.value = strength;
  }

  dispose(): void {
    this.mesh.geometry.dispose();
    this.mesh.material.dispose();
  }
}

const VERTEX = /* glsl */ `
varying vec3 vWorld;
varying float vEdge;
void main() {
  vec4 world = modelMatrix * vec4(position, 1.0);
  vWorld = world.xyz;
  vEdge = length(position.xz) / ${RADIUS_M.toFixed(1)};
  gl_Position = projectionMatrix * viewMatrix * world;
}`;

const FRAGMENT = /* glsl */ `
uniform vec4 spheres[${SPHERES.length}];
uniform float strength;
varying vec3 vWorld;
varying float vEdge;
void main() {
  float light = 1.0;
  for (int i = 0; i < ${SPHERES.length}; i++) {
    vec3 to = spheres[i].xyz - vWorld;
    float squared = max(dot(to, to), 1e-4);
    float hidden = max(to.y, 0.0) * inversesqrt(squared) * spheres[i].w * spheres[i].w / squared;
    light *= 1.0 - min(hidden, 0.6);
  }
  float fade = 1.0 - smoothstep(0.55, 1.0, vEdge);
  gl_FragColor = vec4(0.0, 0.0, 0.0, (1.0 - light) * fade * strength);
}`;
