module CnnCluster.Tests.Dsl.PrinterTests

open System.IO
open System.Text.RegularExpressions
open Expecto
open FsCheck
open FsCheck.FSharp
open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Tests
open CnnCluster.Tests.Dsl.Scripts

let private roundTrips (script: Script) =
    let printed = Printer.print script
    let again = tree printed
    Expect.equal (placeless again) (placeless script) printed
    Expect.equal (Printer.print again) printed "printed twice"

// ---- the language's own examples ----

let private residual =
    """block bottleneck(filters, stride = 1) {              # every use makes fresh weights
    add {
        conv filters 1x1
        batchnorm relu
        conv filters*4 1x1
    } {
        if stride > 1 or here.channels != filters*4 {
            conv filters*4 1x1 stride=stride
            batchnorm
        }
    } relu
}

network ResNet50 {
    defaults { conv bias=no kernel-init=he; batchnorm epsilon=1e-5 }
    input 224x224x3
    maxpool 3x3 stride=2 pad=1
    repeat filters, count, stride in [64 3 1; 128 4 2; 256 6 2; 512 3 2] {
        bottleneck filters stride=stride
        repeat count-1 { bottleneck filters }
    }
    globalavgpool
    dense 1000
}
"""

let private inverted =
    """block inverted(filters, expand, stride = 1) {
    as start
    if expand > 1 { conv start.channels*expand 1x1; batchnorm relu6 }
    depthwise 3x3 stride=stride pad=1
    if stride == 1 and start.channels == filters { add start here }
}

block grow(rate) {                                   # DenseNet
    concat here { batchnorm relu; conv rate*4 1x1; batchnorm relu; conv rate 3x3 pad=1 }
}

block inception(a, b1, b3) {
    concat
        { cbr a 1 }
        { cbr b1 1; cbr b3 3 }
        { maxpool 3x3 stride=1 pad=1; cbr a 1 }
}
"""

let private siamese =
    """shared tower { conv 32 3x3 relu; globalavgpool }     # every use shares one set of weights

network Siamese {
    input left  28x28x1
    input right 28x28x1
    concat { from left; tower } { from right; tower }
    dense 1
}
"""

let private upwards =
    """network UNet {
    double 64 as s1
    repeat filters, skip in [256 s3; 128 s2; 64 s1] { convtranspose filters 2x2 stride=2; concat skip here; double filters }
}
"""

/// What is written, and its canonical form, each inside a network but for the last ones.
let private forms =
    let inNetwork (name, written, canonical: string) =
        let indented =
            canonical.Split '\n'
            |> Array.map (fun line -> if line = "" then "" else "    " + line)
            |> String.concat "\n"

        name, "network N {\n" + written + "\n}", "network N {\n" + indented + "\n}"

    let long = "conv 123456789 111x111 stride=22x22 pad=33 kernel-init=he"

    [ "blanks", "  conv   6    5x5 # first ", "conv 6 5x5  # first"
      "blank lines: one for several, none at the edge of braces",
      "\n\nrelu\n\n\n# a\n\ntanh\nelu\n\n",
      "relu\n\n# a\n\ntanh\nelu"
      "blank lines in brackets are none", "conv [1\n\n2]", "conv [1; 2]"
      "a short body stands on its line", "repeat 3 {\nrelu\ntanh\n}", "repeat 3 { relu; tanh }"
      "four statements do not", "repeat 3 { a; b; c; d }", "repeat 3 {\n    a\n    b\n    c\n    d\n}"
      "nor does one with a comment", "repeat 3 { a # why\n}", "repeat 3 {\n    a  # why\n}"
      "nor one with a blank line", "repeat 3 { a\n\nb }", "repeat 3 {\n    a\n\n    b\n}"
      "nor one that is too wide",
      $"repeat 345 {{ {long}; batchnorm as x }}",
      $"repeat 345 {{\n    {long}\n    batchnorm as x\n}}"
      "bodies within bodies", "repeat 3 { repeat 2 { a; if b { c } } }", "repeat 3 { repeat 2 { a; if b { c } } }"
      "a comment behind the brace stays there", "if a { # why\nb }", "if a {  # why\n    b\n}"
      "a comment behind a short body too", "if a { b } # why", "if a { b }  # why"
      "if and else, short",
      "if a>1{relu}\nelse if a>0 {}\nelse {tanh}",
      "if a > 1 { relu } else if a > 0 { } else { tanh }"
      "if and else, long",
      "if a { b; c; d; e } else if f { } else { g }",
      "if a {\n    b\n    c\n    d\n    e\n} else if f { } else {\n    g\n}"
      "defaults", "defaults {\nconv bias=no\n}", "defaults { conv bias=no }"
      "branches, short", "add\n{ a; b }\n{ } relu as x", "add { a; b } { } relu as x"
      "branches, each on its line",
      $"concat here\n{{ {long} }} {{ a; b }} x relu as y # why",
      $"concat here\n    {{ {long} }}\n    {{ a; b }} x relu as y  # why"
      "branches, expanded",
      "add { a; b; c; d } { } { e } relu",
      "add {\n    a\n    b\n    c\n    d\n} { } {\n    e\n} relu"
      "one long branch",
      $"concat here {{ {long}; batchnorm; relu6 }}",
      $"concat here {{\n    {long}\n    batchnorm\n    relu6\n}}"
      "headings of comments", "## a\n#b\n#! c\n#\nrelu", "## a\n# b\n#! c\n#\nrelu"
      "a comment behind a semicolon belongs to what is in front", "relu; # a\ntanh", "relu  # a\ntanh" ]
    |> List.map inNetwork
    |> List.append
        [ "declarations are one blank line apart, and always expanded",
          "# licence\n\n# a\nnetwork A { relu }\nblock b(n,m=1){relu}# c\n\n\n\nshared s { }\n\n# end\n",
          "# licence\n\n# a\nnetwork A {\n    relu\n}\n\nblock b(n, m = 1) {\n    relu\n}  # c\n\nshared s { }\n\n# end" ]

// ---- comments anywhere ----

/// The texts of all comments, sorted.
let private commentsOf (text: string) =
    [ for line in text.Split '\n' do
          let outside =
              Regex.Replace(line, "\"([^\"\\\\]|\\\\.)*\"|#.*$", (fun m -> if m.Value[0] = '#' then m.Value else ""))

          match outside.IndexOf '#' with
          | -1 -> ()
          | at -> outside.Substring(at + 1).Trim() ]
    |> List.sort

/// Scripts with line ends and comments wherever a line may end.
let private commented =
    let sprinkled (text: string) choices =
        let mutable count = 0

        Regex.Replace(
            text,
            @"[\[({}\n]",
            fun m ->
                count <- count + 1

                match m.Value, Array.item (count % Array.length choices) choices with
                | place, 0 when place = "}" -> $"# {count}\n}}"
                | place, 0 when place = "\n" -> $" # {count}\n"
                | place, 0 -> place + $" # {count}\n"
                | place, 1 when place = "\n" -> "\n\n"
                | place, _ -> place
        )

    let texts = Gen.elements [ lenet; residual; inverted; siamese; upwards ]
    Gen.map2 sprinkled texts (Gen.choose (0, 5) |> Gen.arrayOfLength 97)

let private shortest =
    [ 32.0, "32"
      0.01, "0.01"
      0.0025, "0.0025"
      0.0005, "5e-4"
      -0.00025, "-2.5e-4"
      1e-5, "1e-5"
      -2.5, "-2.5"
      1e300, "1e300" ]

[<Tests>]
let tests =
    testList
        "Dsl.Printer"
        [ testPropertyWithConfig
              { FsCheckConfig.defaultConfig with
                  maxTest = 300 }
              "a printed tree reads back as the same tree, and prints the same"
              (Prop.forAll (Arb.fromGen SyntaxTrees.script) roundTrips)
          testProperty "a printed number reads back as the same number" (fun (NormalFloat value) ->
              float (Printer.number value) = value)
          for value, text in shortest do
              test $"{text} is printed in its shortest form" { Expect.equal (Printer.number value) text "text" }
          for name, text in
              [ "LeNet-5", lenet
                "residual blocks", residual
                "inverted and dense blocks", inverted
                "shared towers", siamese
                "U-Net", upwards ] do
              test $"{name} round-trips" { roundTrips (tree text) }
          for path in Directory.GetFiles(Repository.file "examples", "*.cnn") do
              test $"examples/{Path.GetFileName path} round-trips" { roundTrips (tree (File.ReadAllText path)) }
          for name, written, canonical in forms do
              test $"the canonical form: {name}" {
                  let printed = Printer.print (tree written)
                  Expect.equal printed (canonical + "\n") "printed"
                  Expect.equal (Printer.print (tree printed)) printed "printed twice"
              }
          testPropertyWithConfig
              { FsCheckConfig.defaultConfig with
                  maxTest = 300 }
              "no comment is lost or doubled, wherever lines end"
              (Prop.forAll (Arb.fromGen commented) (fun text ->
                  let printed = Printer.print (tree text)
                  Expect.equal (commentsOf printed) (commentsOf text) $"{text}\n---\n{printed}"
                  Expect.equal (Printer.print (tree printed)) printed "printed twice"))
          test "comments between the parts of a statement move to the front of it, in order" {
              let text =
                  "# 1\nnetwork N { # 2\n# 3\ninput 8 # 4\nconv [1 # 5\n 2] # 6\nif a > 1 # 7\n{ # 8\n} # 9\n# 10\nelse # 11\n{ if b > 1 { } # 12\n# 13\n} # 14\n# 15\n} # 16\n# 17"

              Expect.equal
                  (Printer.print (tree text))
                  "# 1\nnetwork N {  # 2\n    # 3\n    input 8  # 4\n    # 5\n    conv [1; 2]  # 6\n    # 7\n    # 9\n    # 10\n    # 11\n    if a > 1 {  # 8\n    } else {\n        if b > 1 { }  # 12\n        # 13\n    }  # 14\n    # 15\n}  # 16\n\n# 17\n"
                  "printed"
          } ]
