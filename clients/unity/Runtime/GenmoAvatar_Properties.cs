using UnityEngine;

namespace GenmoRT
{
    public enum PersonChoice
    {
        /// <summary>By place: 0 is who has been there longest.</summary>
        ByIndex,
        /// <summary>By id, for as long as that person is there.</summary>
        ById
    }

    public sealed partial class GenmoAvatar
    {
        [SerializeField] GenmoReceiver _receiver = null;
        [SerializeField] PersonChoice _choice = PersonChoice.ByIndex;
        [SerializeField] int _index = 0;
        [SerializeField] uint _personId = 0;
        [SerializeField] bool _rootMotion = true;
        [SerializeField] float _heightOffset = 0;

        public GenmoReceiver Receiver { get { return _receiver; } set { _receiver = value; } }

        public PersonChoice Choice { get { return _choice; } set { _choice = value; } }

        /// <summary>Who, if Choice is ByIndex; 0 is who has been there longest.</summary>
        public int Index { get { return _index; } set { _index = value; } }

        /// <summary>Who, if Choice is ById.</summary>
        public uint PersonId { get { return _personId; } set { _personId = value; } }

        /// <summary>Off keeps the avatar where its transform is; it still goes up and down.</summary>
        public bool RootMotion { get { return _rootMotion; } set { _rootMotion = value; } }

        /// <summary>Metres added to the hips' height: thick soles, a stage.</summary>
        public float HeightOffset { get { return _heightOffset; } set { _heightOffset = value; } }
    }
}
