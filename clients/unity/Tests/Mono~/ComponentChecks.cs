using System;
using System.Collections.Generic;
using System.Reflection;
using System.Text;
using System.Threading;
using GenmoRT.Internal;
using UnityEngine;

namespace GenmoRT.Tests
{
    /// <summary>The components, on an engine of plain mathematics (FakeEngine).</summary>
    static class ComponentChecks
    {
        public static void AComponentPosesAnAvatarThatStandsElsewhere(Golden golden)
        {
            using (var scene = new Scene(golden, "step_forward", missing: null))
            {
                scene.Frame();
                scene.CheckAvatarStandsLike(golden, "step_forward");
                Check.Near(scene.Avatar.GetContact(Contact.LeftAnkle), 1, 1e-6, "contact of the left ankle");
            }
        }

        public static void AnAvatarWithoutUpperChestBendsItsChestInstead(Golden golden)
        {
            using (var scene = new Scene(golden, "right_hand_up", missing: HumanBodyBones.UpperChest))
            {
                scene.Frame();
                scene.CheckAvatarStandsLike(golden, "right_hand_up");
            }
        }

        public static void WhoIsChosenByIdIsShownWhileThere(Golden golden)
        {
            using (var scene = new Scene(golden, "t_pose", missing: null))
            {
                scene.Avatar.Choice = PersonChoice.ById;
                scene.Avatar.PersonId = 8;
                scene.Frame();
                Check.That(scene.Avatar.Current == null && scene.Avatar.GetContact(Contact.LeftFoot) == 0, "somebody else is shown");
                scene.Avatar.PersonId = 7;
                scene.Frame();
                Check.Equal(scene.Avatar.Current.Id, 7, "person");
            }
        }

        public static void ACrowdMakesAnAvatarPerPersonAndReusesIt(Golden golden)
        {
            using (var scene = new Scene(golden, "t_pose", missing: null))
            {
                var crowd = new GameObject("crowd").AddComponent<GenmoCrowd>();
                crowd.Receiver = scene.Receiver;
                crowd.Prefab = scene.Avatar;
                for (var i = 0; i < 3; i++) Scene.Call(crowd, "Update");
                Check.Equal(crowd.Avatars.Count, 1, "avatars");
                Check.Equal(crowd.Avatars[0].PersonId, 7, "its person");
                scene.Receiver.Frame[0].Id = 9; // 7 has left, 9 has come
                Scene.Call(crowd, "Update");
                Check.Equal(crowd.Avatars.Count, 1, "avatars after a change of persons");
                Check.Equal(crowd.Avatars[0].PersonId, 9, "its person now");
            }
        }

        public static void ComponentsAllocateNothingPerFrame(Golden golden)
        {
            using (var scene = new Scene(golden, "step_forward", missing: null))
            {
                scene.Frame();
                var update = (Action)Delegate.CreateDelegate(typeof(Action), scene.Receiver, Scene.Method(scene.Receiver, "Update"));
                var late = (Action)Delegate.CreateDelegate(typeof(Action), scene.Avatar, Scene.Method(scene.Avatar, "LateUpdate"));
                update();
                late();
                var before = GC.GetAllocatedBytesForCurrentThread();
                for (var i = 0; i < 1000; i++)
                {
                    update();
                    late();
                }
                Check.Equal(GC.GetAllocatedBytesForCurrentThread() - before, 0, "bytes for 1000 frames");
            }
        }

        public static void TheEnginesBonesAreTheMapsBones(Golden golden)
        {
            Check.Equal(HumanoidRig.Bones.Length, HumanoidMap.Rows.Length, "bones");
            for (var i = 0; i < HumanoidRig.Bones.Length; i++)
                Check.That(HumanoidRig.Bones[i].ToString() == HumanoidMap.Rows[i].Bone, "row " + i + " is " + HumanoidRig.Bones[i]);
        }

        /// <summary>A receiver that has got one golden pose, and an avatar.</summary>
        sealed class Scene : IDisposable
        {
            public readonly GenmoReceiver Receiver;
            public readonly GenmoAvatar Avatar;
            readonly Animator _animator;
            readonly HumanBodyBones? _missing;

            public Scene(Golden golden, string pose, HumanBodyBones? missing)
            {
                _missing = missing;
                var script = new ClientChecks.Script("genmo.v1.bin");
                foreach (var path in new[] { "control/hello.json", "control/skeleton.smpl.json" })
                    script.Say(Encoding.UTF8.GetBytes(golden.Text(path)), MessageKind.Text, 4096);
                script.Say(golden.Bytes("poses/" + pose + ".smpl.bin"), MessageKind.Binary, 4096);
                Receiver = new GameObject("receiver").AddComponent<GenmoReceiver>();
                Receiver.OpenSocket = () => script;
                Call(Receiver, "OnEnable");
                _animator = MakeAvatar(golden.Offsets("unity"));
                Avatar = _animator.gameObject.AddComponent<GenmoAvatar>();
                Avatar.Receiver = Receiver;
                Call(Avatar, "Awake");
                Check.That(Avatar.enabled, "the avatar was refused");
                for (var until = Environment.TickCount + 20000; !Receiver.HasPose; Thread.Sleep(2))
                {
                    Check.That(Environment.TickCount < until, "no pose: " + Receiver.LastError);
                    Call(Receiver, "Update");
                }
            }

            public void Dispose() { Call(Receiver, "OnDisable"); }

            public void Frame()
            {
                Call(Receiver, "Update");
                Call(Avatar, "LateUpdate");
            }

            /// <summary>Positions relative to the hips: the pose may be extrapolated.</summary>
            public void CheckAvatarStandsLike(Golden golden, string pose)
            {
                var frame = golden.Pose("poses/" + pose + ".smpl.bin");
                UnityAxes.Convert(frame);
                var expected = Golden.WorldJoints(frame[0], golden.Offsets("unity"));
                var root = _animator.transform;
                var hips = root.InverseTransformPoint(_animator.FakeBones[HumanBodyBones.Hips].position);
                for (var i = 0; i < HumanoidMap.Rows.Length; i++)
                {
                    if (HumanoidRig.Bones[i] == _missing) continue;
                    var place = root.InverseTransformPoint(_animator.FakeBones[HumanoidRig.Bones[i]].position) - hips;
                    var joint = HumanoidMap.Rows[i].Joint;
                    Check.Near(new Vec3(place.x, place.y, place.z), expected[joint] - expected[0], 1e-4f, pose + ": " + HumanoidMap.Rows[i].Bone);
                }
                Check.Near(hips.y, expected[0].Y, 2e-3, "height of the hips");
                Check.Near(hips.x, expected[0].X, 0.11, "x of the hips");
            }

            /// <summary>
            /// An avatar with odd bone axes, a scaled armature, a root that stands and looks elsewhere,
            /// and bones that are not in their T-pose now.
            /// </summary>
            Animator MakeAvatar(Vec3[] offsets)
            {
                var random = new System.Random(5);
                var root = new GameObject("avatar").transform;
                root.localPosition = new Vector3(3, 1, -2);
                root.localRotation = Odd(random);
                var armature = new GameObject("Armature").transform;
                armature.parent = root;
                armature.localScale = new Vector3(0.01f, 0.01f, 0.01f);
                armature.localRotation = Odd(random);
                var skeleton = new List<SkeletonBone> { Rest(armature) };
                var animator = root.gameObject.AddComponent<Animator>();
                var bones = new Dictionary<int, Transform>();
                // Its soles are one centimetre below the foot joint, on the ground.
                var hips = new Vector3(0, 0.01f - offsets[1].Y - offsets[4].Y - offsets[7].Y - offsets[10].Y, 0);
                for (var i = 0; i < HumanoidMap.Rows.Length; i++)
                {
                    var joint = HumanoidMap.Rows[i].Joint;
                    var bone = new GameObject("bone " + joint).transform;
                    var parent = Joints.Parent(joint);
                    bone.parent = parent < 0 ? armature : bones[parent];
                    var place = parent < 0 ? hips : root.InverseTransformPoint(bones[parent].position) +
                        new Vector3(offsets[joint].X, offsets[joint].Y, offsets[joint].Z);
                    bone.position = root.TransformPoint(place);
                    bone.rotation = root.rotation * Odd(random);
                    bones[joint] = bone;
                    skeleton.Add(Rest(bone));
                    if (HumanoidRig.Bones[i] != _missing) animator.FakeBones[HumanoidRig.Bones[i]] = bone;
                }
                animator.avatar = new Avatar { isHuman = true, humanDescription = new HumanDescription { skeleton = skeleton.ToArray() } };
                foreach (var bone in bones)
                    if (HumanoidRig.Bones[Array.FindIndex(HumanoidMap.Rows, r => r.Joint == bone.Key)] != _missing)
                        bone.Value.localRotation = Odd(random);
                return animator;
            }

            static SkeletonBone Rest(Transform bone)
            {
                return new SkeletonBone
                {
                    name = bone.name, position = bone.localPosition, rotation = bone.localRotation, scale = bone.localScale
                };
            }

            static Quaternion Odd(System.Random random)
            {
                var q = new Quat((float)random.NextDouble() - 0.5f, (float)random.NextDouble() - 0.5f,
                    (float)random.NextDouble() - 0.5f, (float)random.NextDouble() - 0.5f).Normalized;
                return new Quaternion(q.X, q.Y, q.Z, q.W);
            }

            public static void Call(MonoBehaviour component, string message) { Method(component, message).Invoke(component, null); }

            public static MethodInfo Method(MonoBehaviour component, string message)
            {
                return component.GetType().GetMethod(message, BindingFlags.Instance | BindingFlags.NonPublic);
            }
        }
    }
}
