using System.Security.Cryptography;

namespace CnnCluster.Kernels.Native;

/// <summary>
/// Rewrites one symbol of TorchSharp 0.107.0's <c>libLibTorchSharp.so</c> (linux-x64), so that it loads with the
/// libstdc++ of GCC 12, as on Debian 12 and Ubuntu 22.04.
/// </summary>
/// <remarks>
/// The library asks for version GLIBCXX_3.4.32 for the sake of one symbol, <c>std::ios_base_library_init()</c>.
/// The rewrite points that symbol at <c>std::ios_base::Init::Init()</c>, which every libstdc++ has, runs the same
/// initialisation and does not touch its argument; and it turns the version entry into a second GLIBCXX_3.4
/// (its hash and its name's offset; ELF gABI and LSB, "Symbol Versioning", section .gnu.version_r).
/// See docs/adr/0002-libtorchsharp-on-older-distributions.md.
/// </remarks>
public static class LibTorchSharpRewrite
{
    /// <summary>SHA-256 of the file as the package ships it.</summary>
    public const string OriginalHash = "cf33b1b0bb6bbb9754a768fb5c5d04d9f498603be50e73f55621a0b40ee608b8";

    /// <summary>SHA-256 of the file after the rewrite.</summary>
    public const string RewrittenHash = "1d0c51048d4fb6e99a760c6d5cee771d0355da3f7d0b0404743efffa6f608ebb";

    private static readonly Field[] Fields =
    [
        // .dynstr: the symbol's name, padded with zeros to the old length.
        new(0x167b5, "_ZSt21ios_base_library_initv"u8.ToArray(), "_ZNSt8ios_base4InitC1Ev\0\0\0\0\0"u8.ToArray()),
        // .gnu.version_r, the GLIBCXX_3.4.32 entry under libstdc++.so.6: vna_hash, then vna_name.
        new(0x3fa30, [0x42, 0xf8, 0x97, 0x02], [0x74, 0x29, 0x92, 0x08]),
        new(0x3fa38, [0x06, 0x77, 0x02, 0x00], [0xaf, 0x77, 0x02, 0x00]),
    ];

    public static string HashOf(ReadOnlySpan<byte> image) => Convert.ToHexStringLower(SHA256.HashData(image));

    /// <summary>The rewritten file's bytes.</summary>
    /// <exception cref="InvalidDataException">The bytes are not the known file's.</exception>
    public static byte[] Apply(ReadOnlySpan<byte> original)
    {
        if (HashOf(original) != OriginalHash)
        {
            throw new InvalidDataException(
                "libLibTorchSharp.so is not the file of TorchSharp 0.107.0 for linux-x64, so it is left alone.");
        }

        var image = original.ToArray();
        foreach (var field in Fields)
        {
            field.ReplaceIn(image);
        }

        return HashOf(image) == RewrittenHash
            ? image
            : throw new InvalidOperationException("The rewrite of libLibTorchSharp.so gave unexpected bytes.");
    }

    private sealed record Field(int Offset, byte[] Expected, byte[] Replacement)
    {
        public void ReplaceIn(Span<byte> image)
        {
            var place = image.Slice(Offset, Expected.Length);
            if (!place.SequenceEqual(Expected))
            {
                throw new InvalidDataException($"libLibTorchSharp.so has unexpected bytes at offset 0x{Offset:x}.");
            }

            Replacement.CopyTo(place);
        }
    }
}
