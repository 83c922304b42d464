using System.Collections.Generic;
using UnityEngine;

namespace GenmoRT
{
    /// <summary>Gives every person an avatar of their own, made from a prefab.</summary>
    /// <remarks>Avatars of who has left are kept, switched off, for who comes next.</remarks>
    [AddComponentMenu("Genmo RT/Genmo Crowd")]
    public sealed class GenmoCrowd : MonoBehaviour
    {
        [SerializeField] GenmoReceiver _receiver = null;
        [SerializeField] GenmoAvatar _prefab = null;
        [SerializeField] int _mostAvatars = 8;

        public GenmoReceiver Receiver { get { return _receiver; } set { _receiver = value; } }

        /// <summary>An avatar with a GenmoAvatar on it.</summary>
        public GenmoAvatar Prefab { get { return _prefab; } set { _prefab = value; } }

        /// <summary>All avatars made so far; those of who is there are active.</summary>
        public IReadOnlyList<GenmoAvatar> Avatars { get { return _avatars; } }

        readonly List<GenmoAvatar> _avatars = new List<GenmoAvatar>();

        void Update()
        {
            if (_receiver == null || _prefab == null || !_receiver.HasPose) return;
            var frame = _receiver.Frame;

            // 1. Free the avatars of who has left
            for (var i = 0; i < _avatars.Count; i++)
                if (_avatars[i].gameObject.activeSelf && frame.Find(_avatars[i].PersonId) == null)
                    _avatars[i].gameObject.SetActive(false);

            // 2. Give one to who has come
            for (var i = 0; i < frame.PersonCount; i++)
                if (!HasAvatar(frame[i].Id)) Assign(frame[i].Id);
        }

        bool HasAvatar(uint person)
        {
            for (var i = 0; i < _avatars.Count; i++)
                if (_avatars[i].gameObject.activeSelf && _avatars[i].PersonId == person) return true;
            return false;
        }

        void Assign(uint person)
        {
            GenmoAvatar avatar = null;
            for (var i = 0; i < _avatars.Count && avatar == null; i++)
                if (!_avatars[i].gameObject.activeSelf) avatar = _avatars[i];
            if (avatar == null)
            {
                if (_avatars.Count >= _mostAvatars) return;
                avatar = Instantiate(_prefab, transform);
                _avatars.Add(avatar);
            }
            avatar.Receiver = _receiver;
            avatar.Choice = PersonChoice.ById;
            avatar.PersonId = person;
            avatar.gameObject.SetActive(true);
        }
    }
}
