/// The language's own words: those that no catalogue of layers or settings has. Each is defined here once; parser, checker,
/// help and reference read it.
module CnnCluster.Dsl.Words

let private declared word forms summary notes example =
    { Entry.create EntryKind.Declaration word forms summary with
        Notes = notes
        Example = example }

/// What a script is made of. An example is a whole script.
let declarations =
    [ declared
          "network"
          [ "network NAME { … }" ]
          "A network: inputs, layers and outputs, in their order."
          [ "Each network of a script has a name of its own." ]
          "network Tiny { input 28x28x1; flatten; dense 10 }"
      declared
          "train"
          [ "train NAME { … }" ]
          "How the network of that name is trained."
          [ "A network has one train part at most. 'data', 'loss' and 'optimizer' are required in it." ]
          "network Tiny { input 28x28x1; flatten; dense 10 }\ntrain Tiny { data digits; loss cross-entropy; optimizer adam }"
      declared
          "block"
          [ "block NAME(PARAMETER, PARAMETER = DEFAULT, …) { … }" ]
          "A piece of network with parameters. Every use of it makes fresh weights."
          [ "It begins with the current value where it is used, and knows its parameters and nothing else of that place, but for 'defaults'."
            "A parameter takes a number, a size, a list, a word, an activation or a value." ]
          "block twice(filters, size = 3) { repeat 2 { conv filters size pad=same relu } }\nnetwork Tiny { input 28x28x1; twice 8; twice 16 size=5; flatten; dense 10 }"
      declared
          "shared"
          [ "shared NAME { … }" ]
          "A piece of network without parameters. All uses of it in a network share one set of weights."
          [ "Every use needs a value of the same channels." ]
          "shared tower { conv 8 3 relu; flatten; dense 16 }\nnetwork Pair { input a 9x9x1; input b 9x9x1; concat { from a; tower } { from b; tower }; dense 1 }"
      declared
          "import"
          [ "import \"PATH\"" ]
          "Brings in the networks, blocks and shared sets of another script, but not its train parts."
          [ "The path is relative to the script that imports. A file that is imported twice is read once." ]
          "" ]

let private statement word forms summary notes example =
    { declared word forms summary notes example with
        Kind = EntryKind.Statement }

/// What a network is made of besides layers, activations and blocks. An example is the statements of a network.
let statements =
    [ statement
          "input"
          [ "input SHAPE"; "input NAME SHAPE" ]
          "An input of the network: its sides, then its channels."
          [ "No side is a vector of features, one a sequence, two an image, three a volume."
            "? leaves a side open; channels are never open."
            "Behind a second input nothing is the current value until 'from' or a merge." ]
          "input ?x?x3; conv 8 3x3; maxpool"
      statement
          "as"
          [ "as NAME"; "LAYER … as NAME" ]
          "Gives the current value a name, which ends with the braces it stands in."
          []
          "input 8x8x4 as start; conv 4 3 pad=same; add start here"
      statement
          "from"
          [ "from NAME" ]
          "Makes a named value the current one."
          []
          "input left 8x8x1; input right 8x8x1; from left; conv 4 3; flatten as a; from right; flatten; concat a here"
      statement
          "output"
          [ "output NAME" ]
          "Makes the current value an output of the network, under that name."
          [ "Without it, the last value is the one output." ]
          "input 8x8x1; flatten; dense 8 relu as body; dense 10; output kind; from body; dense 1; output size"
      statement
          "let"
          [ "let NAME = EXPRESSION" ]
          "Names a number, up to the end of the braces it stands in."
          []
          "input 28x28x1; let width = 8; conv width 3; conv width*2 3"
      statement
          "if"
          [ "if CONDITION { … } else if CONDITION { … } else { … }" ]
          "Takes one of several ways, decided when the script is read."
          [ "Without 'else', nothing happens to the current value." ]
          "input 28x28x1; if here.height > 20 { maxpool } else { conv 4 3 }"
      statement
          "repeat"
          [ "repeat COUNT { … }"; "repeat NAME in FIRST..LAST { … }"; "repeat NAME, NAME in [ROW; ROW] { … }" ]
          "Repeats statements: so many times, over a range that includes both ends, or over the rows of a list."
          [ "Zero rounds are allowed, and 10000 are the most." ]
          "input 28x28x1; repeat 2 { conv 4 3 }; repeat i in 1..2 { conv i*8 3 }; repeat n, k in [8 3; 16 5] { conv n k }"
      statement
          "defaults"
          [ "defaults { LAYER KEY=VALUE …; … }" ]
          "Gives layers arguments for the whole network, the blocks it uses included."
          [ "It stands in front of 'input'. What a use says itself goes before." ]
          "defaults { conv pad=same bias=no; batchnorm epsilon=1e-5 }; input 28x28x1; conv 8 3; batchnorm relu" ]

let private value word summary example =
    { statement word [ word ] summary [] example with
        Kind = EntryKind.Value }

/// Words that mean something by themselves wherever a name could stand.
let values =
    [ { value "here" "The current value." "input 8x8x4; conv here.channels*2 3; add here { conv 8 3 pad=same }" with
          Notes =
              [ "here.channels, here.height and here.width are numbers, and here.depth for volumes; the same holds for named values." ] }
      value "same" "As 'pad=same': as much padding as makes the output ⌈side/stride⌉." "input 8x8x4; conv 4 3 pad=same"
      value "valid" "As 'pad=valid': no padding." "input 8x8x4; conv 4 3 pad=valid"
      value
          "yes"
          "True, as in 'bias=yes'. A flag alone means yes: 'ceil' is 'ceil=yes'."
          "input 8x8x4; maxpool ceil=yes"
      value "no" "False, as in 'bias=no'." "input 8x8x4; conv 4 3 bias=no"
      value "true" "Another word for yes." "input 8x8x4; maxpool ceil=true"
      value "false" "Another word for no." "input 8x8x4; conv 4 3 bias=false" ]

let private argument word forms summary example =
    { statement word forms summary [] example with
        Kind = EntryKind.Argument }

/// What layers and blocks take besides their own arguments; of layers, only those with weights can be frozen.
let arguments =
    [ argument
          "activation"
          [ "NAME"; "activation=NAME" ]
          "What is applied to the values that a layer, a merge or a block gives."
          "input 8x8x4; conv 4 3 relu; conv 4 3 activation=leakyrelu(0.1)"
      argument
          "frozen"
          [ "frozen"; "frozen=yes" ]
          "Keeps weights as they are: they are saved and loaded, but not trained."
          "input 8x8x4; conv 4 3 frozen; batchnorm frozen" ]

let names (entries: Entry list) = entries |> List.map _.Word

/// Words inside statements.
let joining = [ "else"; "not"; "and"; "or"; "in" ]

/// Words that the language keeps for itself: no layer, value or number may be called so.
let reserved = names (statements @ values) @ joining
