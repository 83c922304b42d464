#pragma once

#include <cmath>

// Vectors and rotations without an engine. Nothing in this folder includes an Unreal header, throws
// or needs RTTI, so that the same files compile here, in Unreal and with a plain C++17 compiler.
namespace genmo
{

/** A position, velocity or direction. */
struct Vec3
{
	float X = 0, Y = 0, Z = 0;

	float Length() const { return std::sqrt(X * X + Y * Y + Z * Z); }
};

inline Vec3 operator+(const Vec3& A, const Vec3& B) { return {A.X + B.X, A.Y + B.Y, A.Z + B.Z}; }
inline Vec3 operator-(const Vec3& A, const Vec3& B) { return {A.X - B.X, A.Y - B.Y, A.Z - B.Z}; }
inline Vec3 operator*(const Vec3& A, float Scale) { return {A.X * Scale, A.Y * Scale, A.Z * Scale}; }
inline float Dot(const Vec3& A, const Vec3& B) { return A.X * B.X + A.Y * B.Y + A.Z * B.Z; }
inline Vec3 Cross(const Vec3& A, const Vec3& B)
{
	return {A.Y * B.Z - A.Z * B.Y, A.Z * B.X - A.X * B.Z, A.X * B.Y - A.Y * B.X};
}
inline Vec3 Lerp(const Vec3& A, const Vec3& B, float T) { return A + (B - A) * T; }

/** A rotation, w last. A * B turns by B first, in left- and right-handed frames. */
struct Quat
{
	float X = 0, Y = 0, Z = 0, W = 1;

	/** The inverse of a unit quaternion. */
	Quat Inverse() const { return {-X, -Y, -Z, W}; }

	/** The same direction with length one; identity if there is no direction. */
	Quat Normalized() const
	{
		const double Length = std::sqrt(double(X) * X + double(Y) * Y + double(Z) * Z + double(W) * W);
		// A hostile message may hold zeros.
		if (!(Length > 1e-12))
		{
			return {};
		}
		return {float(X / Length), float(Y / Length), float(Z / Length), float(W / Length)};
	}

	/** Turns a vector. */
	Vec3 Rotate(const Vec3& V) const
	{
		const Vec3 Axis{X, Y, Z};
		const Vec3 Twice = Cross(Axis, V) * 2;
		return V + Twice * W + Cross(Axis, Twice);
	}

	/** The smallest rotation that turns one direction into another. */
	static Quat FromTo(const Vec3& From, const Vec3& To)
	{
		const float Lengths = From.Length() * To.Length();
		if (!(Lengths > 1e-12f))
		{
			return {};
		}
		const float Cosine = Dot(From, To) / Lengths;
		if (Cosine < -0.999999f) // half a turn, about anything across
		{
			const bool bAlongX = std::fabs(From.X) >= 0.6f * From.Length();
			const Vec3 Axis = Cross(From, bAlongX ? Vec3{0, 1, 0} : Vec3{1, 0, 0});
			return Quat{Axis.X, Axis.Y, Axis.Z, 0}.Normalized();
		}
		const Vec3 Axis = Cross(From, To) * (1 / Lengths);
		return Quat{Axis.X, Axis.Y, Axis.Z, 1 + Cosine}.Normalized();
	}

	/** The way from A (T = 0) to B (T = 1) along the shorter arc, at even speed. */
	static Quat Slerp(const Quat& A, const Quat& B, float T)
	{
		float Cosine = A.X * B.X + A.Y * B.Y + A.Z * B.Z + A.W * B.W;
		const float Sign = Cosine < 0 ? -1.f : 1.f; // q and -q are the same rotation
		Cosine *= Sign;
		float OfA = 1 - T, OfB = T * Sign;
		if (Cosine < 0.9995f) // closer together the sines vanish and a straight line is as good
		{
			const float Angle = std::acos(Cosine);
			const float Sine = std::sin(Angle);
			OfA = std::sin((1 - T) * Angle) / Sine;
			OfB = std::sin(T * Angle) / Sine * Sign;
		}
		return Quat{A.X * OfA + B.X * OfB, A.Y * OfA + B.Y * OfB, A.Z * OfA + B.Z * OfB, A.W * OfA + B.W * OfB}
			.Normalized();
	}
};

inline Quat operator*(const Quat& A, const Quat& B)
{
	return {A.W * B.X + A.X * B.W + A.Y * B.Z - A.Z * B.Y, A.W * B.Y - A.X * B.Z + A.Y * B.W + A.Z * B.X,
			A.W * B.Z + A.X * B.Y - A.Y * B.X + A.Z * B.W, A.W * B.W - A.X * B.X - A.Y * B.Y - A.Z * B.Z};
}

} // namespace genmo
