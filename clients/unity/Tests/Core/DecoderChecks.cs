using System;
using System.Collections.Generic;
using GenmoRT.Internal;

namespace GenmoRT.Tests
{
    public static class DecoderChecks
    {
        public static void GoldenPosesStandAsDescribedInEverySpace(Golden golden)
        {
            foreach (var pose in Golden.Poses)
                foreach (var space in Golden.Spaces)
                {
                    var path = "poses/" + pose + "." + space;
                    var frame = golden.Pose(path + ".bin");
                    CheckMessage(frame, golden.Json(path + ".json"), path);
                    var scale = space == "unreal" ? 100 : 1;
                    CheckValues(frame[0], golden.Values(pose, space), golden.Offsets(space), 1e-5f * scale, path);
                    var joints = Golden.WorldJoints(frame[0], golden.Offsets(space));
                    Check.That(golden.CheckFacts(pose, space, joints) >= 3, path + ": fewer than three facts");
                }
        }

        public static void ConvertingOnceGivesUnitysGoldenValues(Golden golden)
        {
            foreach (var pose in Golden.Poses)
            {
                var frame = golden.Pose("poses/" + pose + ".smpl.bin");
                UnityAxes.Convert(frame);
                var offsets = golden.Offsets("smpl");
                UnityAxes.Convert(offsets);
                CheckValues(frame[0], golden.Values(pose, "unity"), offsets, 1e-5f, pose);
                golden.CheckFacts(pose, "unity", Golden.WorldJoints(frame[0], offsets));
            }
        }

        public static void NewerAndLargerMessagesAreAccepted(Golden golden)
        {
            var accepted = golden.Json("accepted.json");
            var count = 0;
            foreach (var name in accepted.Names)
            {
                var frame = golden.Pose("accepted/" + name);
                var wanted = accepted[name]["persons"].Items;
                Check.Equal(frame.PersonCount, wanted.Count, name + ": persons");
                for (var i = 0; i < wanted.Count; i++)
                {
                    Check.Equal(frame[i].Id, wanted[i].Integer, name + ": id");
                    Check.Near(frame[i].Rotations[Joints.RightShoulder], new Quat(0, 0, -0.707107f, 0.707107f), 1e-6f, name);
                }
                count++;
            }
            Check.That(count >= 7, count + " accepted messages; expected 7 or more");
        }

        public static void LandmarksAreDecoded(Golden golden)
        {
            var person = golden.Pose("accepted/landmarks.bin")[0];
            var expected = Golden.Vectors(golden.Json("accepted/landmarks.json")["persons"].Items[0]["landmarks"]);
            Check.That(person.HasLandmarks, "no landmarks");
            for (var i = 0; i < expected.Length; i++) Check.Near(person.Landmarks[i], expected[i], 1e-6f, "landmark " + i);
        }

        public static void MalformedMessagesAreRefusedWithoutReadingPastTheEnd(Golden golden)
        {
            var whole = golden.Bytes("poses/t_pose.smpl.bin");
            var count = 0;
            foreach (var path in golden.Files("malformed/*.bin"))
            {
                var bytes = golden.Bytes(path);
                Refuses(bytes, 0, bytes.Length, path);
                // What follows in the buffer would complete many of them.
                var amid = new byte[whole.Length + bytes.Length + whole.Length];
                Array.Copy(bytes, 0, amid, whole.Length, bytes.Length);
                Array.Copy(whole, whole.Length - bytes.Length % whole.Length, amid, whole.Length + bytes.Length, bytes.Length % whole.Length);
                Refuses(amid, whole.Length, bytes.Length, path + " within a larger buffer");
                count++;
            }
            Check.Equal(count, golden.Json("malformed.json").Count, "malformed messages");
        }

        public static void EveryTruncationIsRefused(Golden golden)
        {
            var bytes = golden.Bytes("accepted/three_persons.bin");
            for (var length = 0; length < bytes.Length; length++)
                Refuses(bytes, 0, length, "the first " + length + " bytes");
        }

        public static void ABadRangeIsRefused(Golden golden)
        {
            var bytes = golden.Bytes("poses/t_pose.smpl.bin");
            Refuses(bytes, -1, bytes.Length, "a negative start");
            Refuses(bytes, 0, bytes.Length + 1, "a length beyond the array");
            Refuses(bytes, int.MaxValue, int.MaxValue, "start and length that overflow together");
        }

        static void Refuses(byte[] bytes, int start, int length, string what)
        {
            var frame = new PoseFrame();
            frame.Append();
            var error = PoseDecoder.Decode(bytes, start, length, frame);
            Check.That(error != DecodeError.None, what + " was accepted");
            Check.That(PoseDecoder.Explain(error).Length > 5, what + ": no explanation");
            Check.Equal(frame.PersonCount, 0, what + ": persons left in the frame");
        }

        static void CheckMessage(PoseFrame frame, JsonValue message, string path)
        {
            Check.Equal(frame.Seq, message["seq"].Integer, path + ": seq");
            Check.Equal(frame.Frame, message["frame"].Integer, path + ": frame");
            Check.Equal(frame.CaptureUs, message["t_capture_us"].Integer, path + ": t_capture_us");
            Check.Equal(frame.PublishUs, message["t_publish_us"].Integer, path + ": t_publish_us");
            Check.Equal(frame.SkeletonRev, message["skeleton_rev"].Integer, path + ": skeleton_rev");
            var flags = PoseFlags.None;
            foreach (var flag in message["flags"].Items) flags |= (PoseFlags)Enum.Parse(typeof(PoseFlags), flag.Text, true);
            Check.That(frame.Flags == flags, path + ": flags " + frame.Flags + "; expected " + flags);
            Check.Near(frame.DecodeMs, 1.2, 1e-6, path + ": decode");
            Check.Near(frame.KeypointsMs, 12.5, 1e-6, path + ": keypoints");
            Check.Near(frame.ModelMs, 4.3, 1e-6, path + ": model");
            Check.Equal(frame.PersonCount, 1, path + ": persons");
            var person = message["persons"].Items[0];
            Check.Equal(frame[0].Id, person["person"].Integer, path + ": id");
            Check.That(frame[0].State.ToString().ToLowerInvariant() == person["state"].Text, path + ": state");
            Check.Near(frame[0].Confidence, person["confidence"].Number, 1e-6, path + ": confidence");
            var contacts = person["contacts"].Floats(6);
            for (var i = 0; i < 6; i++) Check.Near(frame[0].Contacts[i], contacts[i], 1e-6, path + ": contact " + i);
        }

        static void CheckValues(PersonPose person, JsonValue values, Vec3[] offsets, float tolerance, string what)
        {
            Check.Near(person.Pelvis, values["pelvis"].Vec3, tolerance, what + ": pelvis");
            Check.Near(person.Velocity, values["velocity"].Vec3, tolerance, what + ": velocity");
            List<JsonValue> rotations = values["rotations"].Items;
            for (var j = 0; j < Joints.Count; j++)
            {
                var q = rotations[j].Floats(4);
                Check.Near(person.Rotations[j], new Quat(q[0], q[1], q[2], q[3]), 1e-6f, what + ": rotation " + j);
            }
            var expected = Golden.Vectors(values["joints"]);
            var joints = Golden.WorldJoints(person, offsets);
            for (var j = 0; j < Joints.Count; j++) Check.Near(joints[j], expected[j], 2 * tolerance, what + ": joint " + j);
        }
    }
}
