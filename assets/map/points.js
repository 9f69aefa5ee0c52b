// @ts-check
// Draws the points with WebGL2. Positions are 16 bits a coordinate, colours a texture that groups index, so that another
// colouring, a dimmed group or a selection costs one small upload and a frame.
import { LABELLED, MUTED, SELECTED } from "../contract.js";
/** @import { Camera } from "./camera.js" */

const STILL = 60_000; // points drawn while the map moves; their order is random, so that any beginning is a fair sample

const VERTEX = `#version 300 es
precision highp float;
in vec2 from;
in vec2 to;
in uint group;
in uint flags;
uniform vec2 centre;
uniform vec2 scale;
uniform float moved;
uniform float size;
uniform float opacity;
uniform float quiet;
uniform bool raised;
uniform sampler2D palette;
out vec4 colour;
out float ring;
out float diameter;

void main() {
  bool selected = (flags & ${SELECTED}u) != 0u;
  bool labelled = (flags & ${LABELLED}u) != 0u;
  bool muted = (flags & ${MUTED}u) != 0u;
  vec4 hue = texelFetch(palette, ivec2(int(group), 0), 0);
  bool above = (selected || labelled) && !muted;
  if (above != raised || (muted && hue.a < 0.5)) {
    gl_Position = vec4(2.0, 2.0, 2.0, 1.0); // outside: left to the other pass, or hidden
    gl_PointSize = 1.0;
    return;
  }
  gl_Position = vec4((mix(from, to, moved) - centre) * scale, 0.0, 1.0);
  diameter = selected ? max(size * 1.5, size + 2.0) : labelled ? max(size * 1.7, size + 3.0) : size;
  gl_PointSize = diameter;
  float share = muted ? 0.06 : selected ? 1.0 : labelled ? quiet : quiet * opacity;
  colour = vec4(hue.rgb, hue.a < 0.9 ? 0.1 * share : share);
  ring = labelled ? 1.0 : 0.0;
}`;

const FRAGMENT = `#version 300 es
precision highp float;
in vec4 colour;
in float ring;
in float diameter;
uniform vec3 ink;
out vec4 pixel;

void main() {
  float distance = length(gl_PointCoord * 2.0 - 1.0);
  float cover = diameter < 3.0 ? 1.0 : 1.0 - smoothstep(0.75, 1.0, distance);
  vec3 hue = ring > 0.5 && distance > 0.58 ? ink : colour.rgb;
  float alpha = colour.a * cover;
  pixel = vec4(hue * alpha, alpha);
}`;

/** @typedef {"from" | "to" | "group" | "flags"} Attribute of a point */
/** @type {Attribute[]} */
const ATTRIBUTES = ["from", "to", "group", "flags"];

export class Points {
  /**
   * Throws if the browser has no WebGL2.
   *
   * @param {HTMLCanvasElement} canvas
   */
  constructor(canvas) {
    const gl = canvas.getContext("webgl2", { antialias: false, depth: false, premultipliedAlpha: true });
    if (!gl) throw new Error("this browser shows no WebGL2");
    this.canvas = canvas;
    this.gl = gl;
    this.n = 0;
    this.anySelected = false;
    this.anyRaised = false;
    this.program = linked(gl);
    /** @param {string} name */
    const uniform = (name) => gl.getUniformLocation(this.program, name);
    this.uniform = {
      centre: uniform("centre"),
      scale: uniform("scale"),
      moved: uniform("moved"),
      size: uniform("size"),
      opacity: uniform("opacity"),
      quiet: uniform("quiet"),
      raised: uniform("raised"),
      palette: uniform("palette"),
      ink: uniform("ink"),
    };
    this.buffers = new Map(ATTRIBUTES.map((name) => [name, gl.createBuffer()]));
    this.texture = gl.createTexture();
  }

  /**
   * @param {Uint16Array} to (n) positions, two each
   * @param {Uint16Array | null} before those that they move from
   */
  setPositions(to, before) {
    this.n = to.length / 2;
    this.fill("to", to);
    this.fill("from", before ?? to);
  }

  /** @param {Uint8Array} groups (n) indices into the palette */
  setGroups(groups) {
    this.fill("group", groups);
  }

  /** @param {Uint8Array} flags (n) of the bits SELECTED, LABELLED and MUTED */
  setFlags(flags) {
    this.fill("flags", flags);
    this.anySelected = flags.some((f) => f & SELECTED);
    this.anyRaised = this.anySelected || flags.some((f) => f & LABELLED);
  }

  /** @param {Uint8Array} rgba the colours of the groups, 0..255; alpha 255 is shown, 128 dimmed, 0 dimmed and muted */
  setPalette(rgba) {
    const { gl } = this;
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, rgba.length / 4, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, rgba);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
  }

  /**
   * @param {Attribute} name
   * @param {Uint8Array | Uint16Array} values
   */
  fill(name, values) {
    const { gl } = this;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers.get(name) ?? null);
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
  }

  /**
   * Diameter of a point in CSS pixels: larger for few points, and as one comes nearer.
   *
   * @param {Camera} camera
   */
  diameter(camera) {
    const few = Math.min(Math.max(9 - 1.5 * Math.log10(Math.max(this.n, 10)), 2), 7);
    return few * Math.min(Math.max(camera.zoom, 1) ** 0.35, 4);
  }

  /**
   * The opacity of a point: less if many points overlap, so that density shows.
   *
   * @param {Camera} camera
   */
  opacity(camera) {
    const covered = (this.n * this.diameter(camera) ** 2) / (camera.scale ** 2 * 0.35);
    return Math.min(Math.max(1.6 / Math.max(covered, 1e-6), 0.28), 0.85);
  }

  /**
   * Draws one frame.
   *
   * @param {Camera} camera
   * @param {number} density pixels of the screen for each CSS pixel
   * @param {number} moved the share of the way that points have gone
   * @param {number[]} ink rgb of the rings, 0..1
   * @param {boolean} quick whether a sample will do
   * @param {boolean} pale whether the points step back behind others
   */
  draw(camera, density, moved, ink, quick, pale) {
    const { gl, canvas, uniform } = this;
    const [width, height] = [Math.round(camera.width * density), Math.round(camera.height * density)];
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    gl.viewport(0, 0, width, height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    if (!this.n) return;
    gl.useProgram(this.program);
    this.attribute("from", 2, gl.UNSIGNED_SHORT);
    this.attribute("to", 2, gl.UNSIGNED_SHORT);
    this.attribute("group", 1, gl.UNSIGNED_BYTE);
    this.attribute("flags", 1, gl.UNSIGNED_BYTE);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    gl.uniform1i(uniform.palette, 0);
    gl.uniform2f(uniform.centre, camera.x, camera.y);
    gl.uniform2f(uniform.scale, (2 * camera.scale) / camera.width, (2 * camera.scale) / camera.height);
    gl.uniform1f(uniform.moved, moved);
    gl.uniform1f(uniform.size, this.diameter(camera) * density);
    gl.uniform1f(uniform.opacity, this.opacity(camera));
    gl.uniform1f(uniform.quiet, this.anySelected || pale ? 0.3 : 1);
    gl.uniform3fv(uniform.ink, ink);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    for (const raised of this.anyRaised ? [0, 1] : [0]) {
      gl.uniform1i(uniform.raised, raised);
      gl.drawArrays(gl.POINTS, 0, quick ? Math.min(this.n, STILL) : this.n);
    }
  }

  /**
   * @param {Attribute} name
   * @param {number} components
   * @param {number} type
   */
  attribute(name, components, type) {
    const { gl } = this;
    const at = gl.getAttribLocation(this.program, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers.get(name) ?? null);
    gl.enableVertexAttribArray(at);
    if (type === gl.UNSIGNED_SHORT) gl.vertexAttribPointer(at, components, type, true, 0, 0);
    else gl.vertexAttribIPointer(at, components, type, 0, 0);
  }
}

/** @param {WebGL2RenderingContext} gl */
function linked(gl) {
  const program = gl.createProgram();
  /** @type {[number, string][]} */
  const sources = [
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ];
  for (const [kind, source] of sources) {
    const shader = gl.createShader(kind);
    if (!shader) continue; // the context is lost; it comes back with another drawing
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost())
      throw new Error(gl.getShaderInfoLog(shader) ?? "");
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost())
    throw new Error(gl.getProgramInfoLog(program) ?? "");
  return program;
}
