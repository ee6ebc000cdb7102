/// The layers that scripts can name. An activation alone on a line is a layer too.
module CnnCluster.Dsl.Layers.Catalogue

open CnnCluster.Dsl

let layers: LayerDefinition list =
    [ Convolution.definition
      Pooling.maxpool
      Pooling.avgpool
      Dense.flatten
      Dense.dense
      Dropout.definition
      BatchNorm.definition ]
    @ Merge.all
