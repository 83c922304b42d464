using UnityEditor;
using UnityEngine;

namespace GenmoRT.Editor
{
    /// <summary>Settings, and while playing: who is shown and what touches the ground.</summary>
    [CanEditMultipleObjects]
    [CustomEditor(typeof(GenmoAvatar))]
    sealed class GenmoAvatarEditor : UnityEditor.Editor
    {
        SerializedProperty _receiver, _choice, _index, _personId, _rootMotion, _heightOffset;

        public override bool RequiresConstantRepaint() { return Application.isPlaying; }

        void OnEnable()
        {
            _receiver = serializedObject.FindProperty("_receiver");
            _choice = serializedObject.FindProperty("_choice");
            _index = serializedObject.FindProperty("_index");
            _personId = serializedObject.FindProperty("_personId");
            _rootMotion = serializedObject.FindProperty("_rootMotion");
            _heightOffset = serializedObject.FindProperty("_heightOffset");
        }

        public override void OnInspectorGUI()
        {
            serializedObject.Update();
            EditorGUILayout.PropertyField(_receiver);
            EditorGUILayout.PropertyField(_choice, new GUIContent("Person"));
            var isById = _choice.enumValueIndex == (int)PersonChoice.ById;
            EditorGUILayout.PropertyField(isById ? _personId : _index, new GUIContent(isById ? "Id" : "Index"));
            EditorGUILayout.PropertyField(_rootMotion);
            EditorGUILayout.PropertyField(_heightOffset, new GUIContent("Height Offset (m)"));
            serializedObject.ApplyModifiedProperties();
            if (!Application.isPlaying || targets.Length > 1) return;

            var avatar = (GenmoAvatar)target;
            EditorGUILayout.Space();
            if (avatar.Current == null)
            {
                EditorGUILayout.LabelField("Nobody to show");
                return;
            }
            EditorGUILayout.LabelField("Shows", "person " + avatar.Current.Id + ", " + avatar.Current.State);
            EditorGUILayout.LabelField("Scale", avatar.Scale.ToString("F3"));
            for (var part = Contact.LeftAnkle; part <= Contact.RightWrist; part++)
                EditorGUI.ProgressBar(EditorGUILayout.GetControlRect(), avatar.GetContact(part), part.ToString());
        }
    }
}
