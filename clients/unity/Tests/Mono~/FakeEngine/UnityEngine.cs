// As much of UnityEngine's interface as this package uses, so that its components compile and run
// under mono. Signatures are Unity's; what is behind them is plain mathematics. This is no proof that
// the package works in Unity: see README, "What was not run".
using System;
using System.Collections.Generic;

namespace UnityEngine
{
    public struct Vector3
    {
        public float x, y, z;

        public Vector3(float x, float y, float z)
        {
            this.x = x;
            this.y = y;
            this.z = z;
        }

        public static Vector3 zero { get { return new Vector3(); } }
        public static Vector3 one { get { return new Vector3(1, 1, 1); } }
        public static Vector3 operator +(Vector3 a, Vector3 b) { return new Vector3(a.x + b.x, a.y + b.y, a.z + b.z); }
        public static Vector3 operator -(Vector3 a, Vector3 b) { return new Vector3(a.x - b.x, a.y - b.y, a.z - b.z); }
        public static Vector3 Scale(Vector3 a, Vector3 b) { return new Vector3(a.x * b.x, a.y * b.y, a.z * b.z); }
    }

    public struct Quaternion
    {
        public float x, y, z, w;

        public Quaternion(float x, float y, float z, float w)
        {
            this.x = x;
            this.y = y;
            this.z = z;
            this.w = w;
        }

        public static Quaternion identity { get { return new Quaternion(0, 0, 0, 1); } }
        public static Quaternion Inverse(Quaternion q) { return new Quaternion(-q.x, -q.y, -q.z, q.w); }

        public static Quaternion operator *(Quaternion a, Quaternion b)
        {
            return new Quaternion(
                a.w * b.x + a.x * b.w + a.y * b.z - a.z * b.y, a.w * b.y + a.y * b.w + a.z * b.x - a.x * b.z,
                a.w * b.z + a.z * b.w + a.x * b.y - a.y * b.x, a.w * b.w - a.x * b.x - a.y * b.y - a.z * b.z);
        }

        public static Vector3 operator *(Quaternion q, Vector3 v)
        {
            var p = q * new Quaternion(v.x, v.y, v.z, 0) * Inverse(q);
            return new Vector3(p.x, p.y, p.z);
        }
    }

    public class Object
    {
        public string name = "";

        public static T Instantiate<T>(T original, Transform parent) where T : Component
        {
            var copy = new GameObject(original.name) { }.AddComponent<T>();
            copy.transform.parent = parent;
            return copy;
        }
    }

    public class Component : Object
    {
        public GameObject gameObject { get; internal set; }
        public Transform transform { get { return gameObject.transform; } }
        public T GetComponent<T>() where T : Component { return gameObject.GetComponent<T>(); }
    }

    public class Behaviour : Component
    {
        public bool enabled = true;
        public bool isActiveAndEnabled { get { return enabled && gameObject.activeSelf; } }
    }

    public class MonoBehaviour : Behaviour { }

    public sealed class GameObject : Object
    {
        readonly List<Component> _components = new List<Component>();

        public GameObject(string name)
        {
            this.name = name;
            activeSelf = true;
            transform = AddComponent<Transform>();
        }

        public Transform transform { get; private set; }
        public bool activeSelf { get; private set; }
        public void SetActive(bool value) { activeSelf = value; }

        public T AddComponent<T>() where T : Component
        {
            var component = (T)Activator.CreateInstance(typeof(T));
            component.gameObject = this;
            component.name = name;
            _components.Add(component);
            return component;
        }

        public T GetComponent<T>() where T : Component { return _components.Find(c => c is T) as T; }
    }

    public class Transform : Component
    {
        public Transform parent;
        public Vector3 localPosition, localScale = Vector3.one;
        public Quaternion localRotation = Quaternion.identity;

        public new Transform transform { get { return this; } }

        public Quaternion rotation
        {
            get { return parent == null ? localRotation : parent.rotation * localRotation; }
            set { localRotation = parent == null ? value : Quaternion.Inverse(parent.rotation) * value; }
        }

        public Vector3 position
        {
            get { return parent == null ? localPosition : parent.TransformPoint(localPosition); }
            set { localPosition = parent == null ? value : parent.InverseTransformPoint(value); }
        }

        public Vector3 TransformPoint(Vector3 p)
        {
            p = localPosition + localRotation * Vector3.Scale(localScale, p);
            return parent == null ? p : parent.TransformPoint(p);
        }

        public Vector3 InverseTransformPoint(Vector3 p)
        {
            if (parent != null) p = parent.InverseTransformPoint(p);
            p = Quaternion.Inverse(localRotation) * (p - localPosition);
            return new Vector3(p.x / localScale.x, p.y / localScale.y, p.z / localScale.z);
        }
    }

    public struct SkeletonBone
    {
        public string name;
        public Vector3 position, scale;
        public Quaternion rotation;
    }

    public struct HumanDescription
    {
        public SkeletonBone[] skeleton;
    }

    public class Avatar : Object
    {
        public bool isHuman { get; set; }
        public HumanDescription humanDescription { get; set; }
    }

    public class Animator : Behaviour
    {
        public Avatar avatar { get; set; }
        public readonly Dictionary<HumanBodyBones, Transform> FakeBones = new Dictionary<HumanBodyBones, Transform>();

        public Transform GetBoneTransform(HumanBodyBones bone)
        {
            Transform found;
            return FakeBones.TryGetValue(bone, out found) ? found : null;
        }
    }

    public enum HumanBodyBones
    {
        Hips, LeftUpperLeg, RightUpperLeg, LeftLowerLeg, RightLowerLeg, LeftFoot, RightFoot, Spine, Chest, Neck, Head,
        LeftShoulder, RightShoulder, LeftUpperArm, RightUpperArm, LeftLowerArm, RightLowerArm, LeftHand, RightHand,
        LeftToes, RightToes, UpperChest = 54
    }

    public static class Debug
    {
        public static void LogError(object message, Object context) { Console.Error.WriteLine(message); }
    }

    public static class Application
    {
        public static bool isPlaying { get { return true; } }
    }

    public sealed class SerializeFieldAttribute : Attribute { }
    public sealed class AddComponentMenuAttribute : Attribute { public AddComponentMenuAttribute(string menuName) { } }
    public sealed class DefaultExecutionOrderAttribute : Attribute { public DefaultExecutionOrderAttribute(int order) { } }
    public sealed class RequireComponentAttribute : Attribute { public RequireComponentAttribute(Type type) { } }

    public sealed class AudioClip : Object { }
    public sealed class AudioSource : Behaviour { public void PlayOneShot(AudioClip clip, float volumeScale) { } }
    public struct Rect { }
    public sealed class GUIContent { public GUIContent(string text, string tooltip = "") { } }
    public sealed class GUILayoutOption { }
    public static class GUILayout
    {
        public static bool Button(string text, params GUILayoutOption[] options) { return false; }
    }
}
