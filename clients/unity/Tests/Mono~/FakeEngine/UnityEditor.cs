// As much of UnityEditor's interface as this package uses: the inspectors compile, no more.
using System;
using System.Reflection;
using UnityEngine;

namespace UnityEditor
{
    public sealed class CustomEditorAttribute : Attribute { public CustomEditorAttribute(Type type) { } }
    public sealed class CanEditMultipleObjectsAttribute : Attribute { }

    public class Editor : UnityEngine.Object
    {
        public SerializedObject serializedObject { get { return new SerializedObject(); } }
        public UnityEngine.Object target { get { return null; } }
        public UnityEngine.Object[] targets { get { return new UnityEngine.Object[0]; } }
        public virtual void OnInspectorGUI() { }
        public virtual bool RequiresConstantRepaint() { return false; }
    }

    public sealed class SerializedObject
    {
        public SerializedProperty FindProperty(string path) { return new SerializedProperty(); }
        public void Update() { }
        public bool ApplyModifiedProperties() { return false; }
    }

    public sealed class SerializedProperty { public int enumValueIndex { get; set; } }

    public enum MessageType { None, Info, Warning, Error }

    public static class EditorGUILayout
    {
        public static void DelayedTextField(SerializedProperty p, GUIContent label, params GUILayoutOption[] o) { }
        public static bool PropertyField(SerializedProperty p, params GUILayoutOption[] o) { return false; }
        public static bool PropertyField(SerializedProperty p, GUIContent label, params GUILayoutOption[] o) { return false; }
        public static void IntSlider(SerializedProperty p, int left, int right, GUIContent label, params GUILayoutOption[] o) { }
        public static void LabelField(string label, params GUILayoutOption[] o) { }
        public static void LabelField(string label, string label2, params GUILayoutOption[] o) { }
        public static void HelpBox(string message, MessageType type) { }
        public static void Space() { }
        public static Rect GetControlRect(params GUILayoutOption[] o) { return new Rect(); }
    }

    public static class EditorGUI
    {
        public static void ProgressBar(Rect position, float value, string text) { }
    }
}

namespace UnityEditor.Build
{
    public interface IOrderedCallback { int callbackOrder { get; } }

    public interface IUnityLinkerProcessor : IOrderedCallback
    {
        string GenerateAdditionalLinkXmlFile(Reporting.BuildReport report, UnityLinker.UnityLinkerBuildPipelineData data);
    }
}

namespace UnityEditor.Build.Reporting { public sealed class BuildReport { } }

namespace UnityEditor.UnityLinker { public sealed class UnityLinkerBuildPipelineData { } }

namespace UnityEditor.PackageManager
{
    public sealed class PackageInfo
    {
        public string resolvedPath { get { return ""; } }
        public static PackageInfo FindForAssembly(Assembly assembly) { return null; }
    }
}
