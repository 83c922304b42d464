#include "Golden.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

using genmo::JsonValue;
using genmo::Vec3;

const std::vector<std::string> Golden::Poses = {"t_pose", "right_hand_up", "step_forward", "turn_left"};
const std::vector<std::string> Golden::Spaces = {"smpl", "unity", "unreal"};

namespace
{

using Matrix = std::array<double, 9>;

Matrix MatrixOf(const genmo::Quat& Q)
{
	const double X = Q.X, Y = Q.Y, Z = Q.Z, W = Q.W;
	return {1 - 2 * (Y * Y + Z * Z), 2 * (X * Y - Z * W), 2 * (X * Z + Y * W), 2 * (X * Y + Z * W),
		1 - 2 * (X * X + Z * Z), 2 * (Y * Z - X * W), 2 * (X * Z - Y * W), 2 * (Y * Z + X * W), 1 - 2 * (X * X + Y * Y)};
}

Matrix Multiply(const Matrix& A, const Matrix& B)
{
	Matrix C{};
	for (size_t I = 0; I < 9; ++I)
	{
		for (size_t K = 0; K < 3; ++K)
		{
			C[I] += A[I / 3 * 3 + K] * B[K * 3 + I % 3];
		}
	}
	return C;
}

Vec3 Multiply(const Matrix& M, const Vec3& V)
{
	return {float(M[0] * V.X + M[1] * V.Y + M[2] * V.Z), float(M[3] * V.X + M[4] * V.Y + M[5] * V.Z),
		float(M[6] * V.X + M[7] * V.Y + M[8] * V.Z)};
}

} // namespace

Golden::Golden(const std::string& InFolder) : Folder(InFolder + "/"), Expected(Json("expected.json")) {}

Golden::Bytes Golden::Read(const std::string& Path) const
{
	std::ifstream File(Folder + Path, std::ios::binary);
	That(File.good(), "can't read " + Folder + Path);
	return Bytes(std::istreambuf_iterator<char>(File), {});
}

std::string Golden::Text(const std::string& Path) const
{
	const Bytes Content = Read(Path);
	return std::string(Content.begin(), Content.end());
}

JsonValue Golden::Json(const std::string& Path) const
{
	JsonValue Value;
	std::string Problem;
	That(JsonValue::Parse(Text(Path), Value, Problem), Path + ": " + Problem);
	return Value;
}

std::vector<std::string> Golden::Files(const std::string& Sub, const std::string& Ending) const
{
	std::vector<std::string> Found;
	for (const auto& Entry : std::filesystem::directory_iterator(Folder + Sub))
	{
		if (Entry.path().extension() == Ending)
		{
			Found.push_back(Sub + "/" + Entry.path().filename().string());
		}
	}
	std::sort(Found.begin(), Found.end());
	return Found;
}

genmo::PoseFrame Golden::Pose(const std::string& Path) const
{
	Bytes Message = Read(Path);
	Message.shrink_to_fit();
	genmo::PoseFrame Frame;
	const genmo::DecodeError Error = genmo::DecodePose(Message.data(), Message.size(), Frame);
	That(Error == genmo::DecodeError::None, Path + ": " + genmo::Explain(Error));
	return Frame;
}

genmo::Offsets Golden::Offsets(const std::string& Target) const
{
	genmo::Offsets Rest;
	const JsonValue& Rows = Get(Get(Get(Expected, "targets"), Target), "offsets");
	for (size_t J = 0; J < Rest.size(); ++J)
	{
		Rest[J] = Vector(Rows.Items.at(J));
	}
	return Rest;
}

const JsonValue& Golden::Values(const std::string& Pose, const std::string& Target) const
{
	return Get(Get(Get(Get(Expected, "poses"), Pose), "values"), Target);
}

int Golden::CheckFacts(const std::string& Pose, const std::string& Target, const std::vector<Vec3>& Joints) const
{
	const auto& Names = Get(Expected, "names").Items;
	const auto IndexOf = [&](const JsonValue& Name) {
		const auto At = std::find_if(Names.begin(), Names.end(), [&](const auto& N) { return N.Text == Name.Text; });
		return size_t(At - Names.begin());
	};
	const JsonValue& Goal = Get(Get(Expected, "targets"), Target);
	const auto& Facts = Get(Get(Get(Expected, "poses"), Pose), "facts").Items;
	for (const JsonValue& Fact : Facts)
	{
		const Vec3 Way = Joints.at(IndexOf(Get(Fact, "to"))) - Joints.at(IndexOf(Get(Fact, "start")));
		const Vec3 Direction = Vector(Get(Get(Goal, "directions"), Get(Fact, "direction").Text));
		const double Metres = Dot(Way, Direction) / Get(Goal, "metre").Number;
		const JsonValue &Least = Get(Fact, "at_least"), &Most = Get(Fact, "at_most");
		const bool Holds = (Least.Type == JsonValue::Kind::Null || Metres >= Least.Number) &&
			(Most.Type == JsonValue::Kind::Null || Metres <= Most.Number);
		That(Holds, Pose + " in " + Target + ": not true that " + Get(Fact, "say").Text + " (" + std::to_string(Metres) + " m)");
	}
	return int(Facts.size());
}

const JsonValue& Golden::Get(const JsonValue& Object, const std::string& Name)
{
	const JsonValue* Found = Object.Member(Name);
	That(Found != nullptr, "no field " + Name);
	return *Found;
}

Vec3 Golden::Vector(const JsonValue& Value)
{
	return {float(Value.Items.at(0).Number), float(Value.Items.at(1).Number), float(Value.Items.at(2).Number)};
}

std::vector<Vec3> Golden::WorldJoints(const genmo::PersonPose& Person, const genmo::Offsets& Rest)
{
	std::vector<Vec3> Places(genmo::JointCount);
	std::vector<Matrix> Spins(genmo::JointCount);
	for (size_t J = 0; J < Places.size(); ++J)
	{
		const Matrix Own = MatrixOf(Person.Rotations[J]);
		const size_t Parent = size_t(std::max(0, genmo::JointParents[J]));
		Spins[J] = J == 0 ? Own : Multiply(Spins[Parent], Own);
		Places[J] = J == 0 ? Person.Pelvis : Places[Parent] + Multiply(Spins[Parent], Rest[J]);
	}
	return Places;
}
